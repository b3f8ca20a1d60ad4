import { assertEquals } from "@std/assert";
import { type Linked, LinkedList } from "../lib/_linked_list.ts";

class Member implements Linked<Member> {
  before: Member | undefined;
  after: Member | undefined;
  constructor(readonly name: string) {}
}

function listOf(names: string): [LinkedList<Member>, Member[]] {
  const list = new LinkedList<Member>();
  const members = [...names].map((name) => new Member(name));
  for (const member of members) list.add(member);
  return [list, members];
}

const names = (list: LinkedList<Member>) => list.members().map(({ name }) => name).join("");

Deno.test("LinkedList holds its members in the order in which they came, whoever leaves", () => {
  // Every order in which three can leave.
  for (const order of [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]]) {
    const [list, members] = listOf("abc");
    let left = "abc";
    for (const i of order) {
      const member = members[i]!;
      assertEquals(list.remove(member), true);
      assertEquals(list.remove(member), false); // again is harmless
      left = left.replace(member.name, "");
      assertEquals([names(list), list.size, list.first?.name], [left, left.length, left[0]]);
    }
    list.add(members[1]!);
    assertEquals(names(list), "b");
  }
});

Deno.test("LinkedList: who has left holds nobody who is still in", () => {
  const [list, [, b]] = listOf("abc");
  list.remove(b!);
  assertEquals([b!.before, b!.after], [undefined, undefined]);
});

Deno.test("LinkedList.members() are those who are in now, whoever comes or goes meanwhile", () => {
  const [list, [, b]] = listOf("abc");
  const met = list.members().map((member) => {
    list.remove(b!);
    list.add(new Member("d"));
    return member.name;
  });
  assertEquals(met, ["a", "b", "c"]);
  assertEquals(names(list), "acddd");
});
