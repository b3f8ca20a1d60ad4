/** docs/chapter.md: that it speaks of every section of the chapter, and that what it names is there. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { needs } from "./_needs.ts";
import { ROOT } from "./_script.ts";

/** The headings of the chapter, without their marks, and the most important ones in bold. */
const SECTIONS = [
  "8.2 Sockets TCP : création, connexion, échange, fermeture",
  "Introduction",
  "Rappel : pourquoi TCP ?",
  "Cycle de vie d'une connexion TCP",
  "Vue d'ensemble",
  "Les trois phases",
  "Phase 1 : Création et établissement de connexion",
  "Côté serveur : préparation à l'écoute",
  "Étape 1 : socket() - Création",
  "Étape 2 : setsockopt() - Configuration (optionnelle mais recommandée)",
  "Étape 3 : bind() - Liaison à une adresse",
  "Étape 4 : listen() - Passage en mode écoute",
  "Étape 5 : accept() - Acceptation des connexions",
  "Côté client : initiation de connexion",
  "connect() - Connexion au serveur",
  "Gestion des timeouts",
  "Le 3-way handshake en détail",
  "Numéros de séquence",
  "Cas d'usage : détection de SYN flood",
  "Phase 2 : Échange de données",
  "send() - Envoi de données",
  "Cas d'usage réel : envoi d'un fichier",
  "recv() - Réception de données",
  "Problème : frontières de messages",
  "Solution 1 : Protocole avec longueur",
  "Solution 2 : Délimiteur",
  "Cas d'usage réel : protocole HTTP",
  "Patterns de lecture avancés",
  "Pattern 1 : Lecture par ligne (buffering)",
  "Pattern 2 : Lecture avec timeout",
  "Pattern 3 : Lecture complète jusqu'à fermeture",
  "Communication bidirectionnelle simultanée",
  "Cas d'usage réel : WebSocket après upgrade",
  "Phase 3 : Fermeture de connexion",
  "shutdown() vs close()",
  "shutdown() - Fermeture partielle",
  "close() - Fermeture complète",
  "Le 4-way handshake de fermeture",
  "TIME_WAIT expliqué",
  "Fermeture gracieuse vs brutale",
  "Fermeture gracieuse",
  "Fermeture brutale (RST)",
  "Gestion des connexions fermées par le pair",
  "États de connexion TCP",
  "Exemple complet : serveur echo multi-clients",
  "Pièges courants et bonnes pratiques",
  "Piège 1 : Ne pas vérifier la valeur de retour de send()",
  "Piège 2 : Oublier que recv() peut retourner moins de données",
  "Piège 3 : Ne pas gérer les exceptions réseau",
  "Piège 4 : Oublier close() (fuite de descripteurs)",
  "Piège 5 : Bloquer le thread principal avec accept()",
  "Bonne pratique 1 : Toujours définir des timeouts",
  "Bonne pratique 2 : Utiliser SO_REUSEADDR sur les serveurs",
  "Bonne pratique 3 : Protocole avec longueur ou délimiteur",
  "Bonne pratique 4 : Logging et monitoring",
  "Cas d'usage réels d'entreprise",
  "1. API Gateway (type Kong, Nginx)",
  "2. Load Balancer simple (Round-Robin)",
  "3. Health Check de serveurs",
  "Récapitulatif",
  "Points clés à retenir",
  "Prochaines étapes",
];

/** What stands in bold between them, and is a place for a lesson. */
const PARTS = [
  "Choix de l'adresse",
  "Erreurs courantes",
  "Cas d'usage réel : serveur multi-interface",
  "Comprendre le backlog",
  "Cas d'usage réel : dimensionnement du backlog",
  "Cas d'usage : mesure de latence",
  "Cas d'usage réel : connection pooling",
  "Solution : sendall()",
  "Cas d'usage : signaler la fin d'envoi",
  "Cas d'usage : fermeture brutale",
  "Conséquences du RST",
  "Visualiser les états",
  "Cas d'usage : monitoring des connexions",
  "Client correspondant",
];

/** Its functions and classes. */
const CODE = [
  ...["start_server", "handle_client", "measure_connection_time", "ConnectionPool", "send_all"],
  ...["send_file", "send_message", "recv_message", "recv_exact", "send_message_delim"],
  ...["recv_message_delim", "recv_http_response", "SocketLineReader", "recv_with_timeout"],
  ...["recv_all", "receiver_thread", "sender_thread", "send_file_with_shutdown"],
  ...["graceful_shutdown", "process_data", "count_tcp_states", "EchoServer", "receive_messages"],
  ...["main", "TCPProxy", "LoadBalancer", "get_backend", "check_server_health"],
];

const PAGE = new URL("docs/chapter.md", ROOT);

const page = () => Deno.readTextFile(PAGE);

needs({ read: true }, "docs/chapter.md treats every section of the chapter", async () => {
  const text = (await page()).replaceAll(/\s+/g, " ");
  assertEquals(SECTIONS.filter((title) => !text.includes(title)), []);
});

needs(
  { read: true },
  "docs/chapter.md treats every function and class of the chapter",
  async () => {
    const [sections = ""] = (await page()).split("## Errata");
    assertEquals(CODE.filter((name) => !sections.includes(`\`${name}\``)), []);
  },
);

needs(
  { read: true },
  "docs/chapter.md links to files that are there, and name what it says",
  async () => {
    const strays: string[] = [];
    for (const [, label = "", path = ""] of (await page()).matchAll(/\[([^\]]+)\]\(([^)]+)\)/g)) {
      const name = label.replaceAll("`", "");
      const text = await Deno.readTextFile(new URL(path, PAGE)).catch(() => undefined);
      if (text === undefined) strays.push(`${path} is not there`);
      else if (!namesOf(path).includes(name) && (name === label || !names(text, name))) {
        strays.push(`${path} does not name ${name}`);
      }
    }
    assertEquals(strays, []);
  },
);

needs({ read: true }, "docs/chapter.md names experiments that are made", async () => {
  const claims = (await page()).matchAll(/`(\w+)` in \[(\w+)\]\(([^)]+)\)/g);
  const strays: string[] = [];
  let count = 0;
  for (const [, experiment = "", , path = ""] of claims) {
    const text = await Deno.readTextFile(new URL(path, PAGE));
    if (!names(text, experiment)) strays.push(experiment);
    count++;
  }
  assertEquals(strays, []);
  assert(count > 10);
});

needs({ read: true }, "docs/chapter.md counts its errata, and each is shown", async () => {
  const text = await page();
  const rows = text.split("\n").filter((line) => /^\| E\d+ \|/.test(line));
  assertEquals(
    rows.map((row) => /^\| (E\d+) \|/.exec(row)![1]),
    rows.map((_, at) => `E${at + 1}`),
  );
  assertEquals(rows.filter((row) => !row.includes("](../")), []);
  const named = [...text.matchAll(/\bE(\d+)\b/g)].map(([, number]) => Number(number));
  assertEquals(named.filter((number) => number > rows.length), []);
  const readme = await Deno.readTextFile(new URL("README.md", ROOT));
  assertMatch(readme, new RegExp(`\\b${rows.length} of its\\s+claims that do not hold`));
});

needs({ read: true }, "every lesson stands in a section that the chapter has", async () => {
  const folder = new URL("cmd/scenarios/", ROOT);
  // The lab says the numbers itself, and a long heading without what it has in brackets.
  const headings = [...SECTIONS, ...PARTS].map((section) => section.replace(/^\d+\. /, ""))
    .flatMap((section) => [section, section.replace(/ \(.*\)$/, "")]);
  const strays: string[] = [];
  for await (const { name } of Deno.readDir(folder)) {
    if (!/^[a-z]\w*\.ts$/.test(name)) continue;
    const text = await Deno.readTextFile(new URL(name, folder));
    const [, title = ""] = /^ \* Chapter §[\d.]+: (.+)$/m.exec(text) ?? [];
    if (!headings.includes(title)) strays.push(`${name}: ${title}`);
  }
  assertEquals(strays, []);
});

/** What a file may be called: a test also without what says that it is one. */
function namesOf(path: string): string[] {
  const name = path.replace(/^.*\/|\.\w+$/g, "");
  return [name, name.replace(/_test$/, "")];
}

function names(text: string, name: string): boolean {
  return new RegExp(`(?<![\\w$])${name.replaceAll("$", "\\$")}(?![\\w$])`).test(text);
}
