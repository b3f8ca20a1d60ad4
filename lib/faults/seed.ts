/**
 * Chance that can be had again: numbers that depend on a seed and a place, and on nothing that
 * happened before. One seed for a link, and each fault of each connection has its own dice.
 */

import { dice } from "../world.ts";

/** A seed for something that has a name within something that has a seed. */
export function seedOf(seed: number, ...names: readonly (string | number)[]): number {
  let hash = mix(seed >>> 0);
  for (const name of names) {
    const text = `${name}`;
    for (let i = 0; i < text.length; i++) hash = mix(hash ^ text.charCodeAt(i));
    hash = mix(hash ^ 0x9e3779b9);
  }
  return hash;
}

/** A number from 0 up to but not including 1 for a place in a stream, an integer >= 0. */
export function randomAt(seed: number, offset: number): number {
  return mix(mix(seed ^ (offset >>> 0)) ^ Math.floor(offset / 2 ** 32)) / 2 ** 32;
}

/** A seed from the dice of the day, for whoever did not choose one; it is to be told. */
export function freshSeed(random: () => number): number {
  return Math.floor(random() * 2 ** 32);
}

/** Dice for a seed. */
export const diceOf: (seed: number) => () => number = dice;

/** A permutation of the integers of 32 bits, whose outputs show no pattern of the inputs (murmur3). */
function mix(value: number): number {
  let mixed = value + 0x6d2b79f5 | 0;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
