/**
 * Permissions are asked about before they are used: where one is missing, the script
 * says which flag to add instead of letting Deno put a question to whoever is there.
 *
 * @module
 */

/** A permission was not given to the script. The message names the flag. */
export class MissingPermissionError extends Error {
  override readonly name = "MissingPermissionError";
}

/** One thing a script may be allowed, as in `--allow-net=127.0.0.1:9999`. */
export interface Permission {
  /** The kind. */
  kind: "net" | "read" | "write" | "run" | "env" | "sys";
  /** The address, path, program, variable or call; without it, all of the kind. */
  to?: string;
}

/**
 * Makes sure that this is allowed.
 *
 * @throws {MissingPermissionError} If it is not.
 */
export function need(permission: Permission): void {
  const { kind, to } = permission;
  if (Deno.permissions.querySync(descriptor(permission)).state === "granted") return;
  const flag = to === undefined ? `--allow-${kind}` : `--allow-${kind}=${to}`;
  // A program that is not found cannot be allowed: Deno drops it from the list.
  const findable = kind === "run" && to !== undefined ? `, with ${to} on the PATH` : "";
  throw new MissingPermissionError(`a permission is missing: add ${flag}${findable}`);
}

function descriptor({ kind, to }: Permission): Deno.PermissionDescriptor {
  if (to === undefined) return { name: kind };
  switch (kind) {
    case "net":
      return { name: kind, host: to };
    case "run":
      return { name: kind, command: to };
    case "env":
      return { name: kind, variable: to };
    case "sys":
      return { name: kind, kind: to as "networkInterfaces" };
    default:
      return { name: kind, path: to };
  }
}
