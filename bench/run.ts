// Load against the built server and, interleaved in the same run, against a bare limit server: `npm run bench`.
// Prints medians of requests a second and of server CPU per request (from /proc), and their ratios.
import { Agent, request as httpRequest } from 'node:http'
import autocannon from 'autocannon'
import { median } from './figures.ts'
import { type Answer, type Child, headersOf, inHouse, json, makeChildren, startConversation } from './house.ts'
import type { RunningServer } from './processes.ts'

const ROUNDS = 5
const SECONDS = 4
const CONNECTIONS = 16
const TURNS_EACH = 20
const CONVERSATIONS_EACH = 10

interface Round {
  readonly perSecond: number
  readonly cpuMs: number
}

/** Reads for a few seconds and measures; every answer must be a success. */
async function fire(server: RunningServer, options: Partial<autocannon.Options>, answered: { count: number }): Promise<Round> {
  const before = server.cpuMs()
  const result = await autocannon({ url: server.address, connections: CONNECTIONS, ...options } as autocannon.Options)
  const cpuMs = server.cpuMs() - before
  const successes = result['2xx']
  if (successes !== result.requests.total || result.errors > 0 || successes === 0)
    throw new Error(`${result.requests.total - successes} of ${result.requests.total} requests failed`)
  answered.count += successes
  return { perSecond: successes / result.duration, cpuMs: cpuMs / successes }
}

/** A read by one child. */
const read = (path: string, child: Child) => (server: RunningServer, answered: { count: number }) =>
  fire(server, { duration: SECONDS, requests: [{ method: 'GET', path, headers: headersOf(child) }] }, answered)

/** Turns by choice: every connection talks for a child of its own, twenty turns in each conversation. */
const turns = (startOn: RunningServer, children: readonly Child[]) => async (server: RunningServer, answered: { count: number }) => {
  const queues = children.map(async (child) => {
    const conversations: string[] = []
    for (let count = 0; count < CONVERSATIONS_EACH; count += 1) {
      conversations.push(await startConversation(startOn.address, child))
    }
    return { child, conversations }
  })
  const ready = await Promise.all(queues)
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS })
  const [before, began] = [server.cpuMs(), performance.now()]
  await Promise.all(
    ready.map(async ({ child, conversations }) => {
      for (const conversation of conversations) {
        for (let turn = 0; turn < TURNS_EACH; turn += 1) {
          const status = await sendTurn(agent, `${server.address}/v1/conversations/${conversation}/messages`, child)
          if (status !== 201) throw new Error(`a turn answered ${status}`)
        }
      }
    }),
  )
  const seconds = (performance.now() - began) / 1_000
  const cpuMs = server.cpuMs() - before
  agent.destroy()
  const count = children.length * CONVERSATIONS_EACH * TURNS_EACH
  answered.count += count
  return { perSecond: count / seconds, cpuMs: cpuMs / count }
}

/** Resolves with the status once the whole answer has come. */
function sendTurn(agent: Agent, url: string, child: Child): Promise<number> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(url, { method: 'POST', agent, headers: { ...json, ...headersOf(child) } }, (response) => {
      response.resume()
      response.once('end', () => resolve(response.statusCode ?? 0))
    })
    request.once('error', reject)
    request.end('{"choice_index":0}')
  })
}

async function compare(
  name: string,
  run: (server: RunningServer, answered: { count: number }) => Promise<Round>,
  real: RunningServer,
  limit: RunningServer,
): Promise<number> {
  const rounds: { real: Round; limit: Round }[] = []
  const answered = { count: 0 }
  for (let round = 0; round < ROUNDS; round += 1) rounds.push({ real: await run(real, answered), limit: await run(limit, { count: 0 }) })
  const of = (server: 'real' | 'limit', figure: keyof Round) => median(rounds.map((round) => round[server][figure]))
  const row = [
    name.padEnd(20),
    ...[of('real', 'perSecond'), of('limit', 'perSecond')].map((value) => value.toFixed(0).padStart(9)),
    (of('real', 'perSecond') / of('limit', 'perSecond')).toFixed(2).padStart(7),
    ...[of('real', 'cpuMs'), of('limit', 'cpuMs')].map((value) => value.toFixed(3).padStart(9)),
    (of('real', 'cpuMs') / of('limit', 'cpuMs')).toFixed(2).padStart(7),
  ]
  process.stdout.write(`${row.join(' ')}\n`)
  return answered.count
}

await inHouse(async (house) => {
  const real = await house.startBuilt()
  const children = await makeChildren(real.address, CONNECTIONS)
  const [child] = children as [Child]
  const topics = (await (await fetch(`${real.address}/v1/topics`, { headers: headersOf(child) })).json()) as Answer
  const limit = await house.start(['--import', 'tsx', 'bench/limit-server.ts'], {
    DATABASE_URL: house.databaseUrl,
    JWT_PUBLIC_KEY: house.publicKey,
    TOPICS: JSON.stringify(topics.data),
  })

  process.stdout.write(`${ROUNDS} rounds interleaved, ${CONNECTIONS} connections, medians; limit: bench/limit-server.ts\n`)
  process.stdout.write(`${'route'.padEnd(20)}     req/s     limit   ratio    CPU ms     limit   ratio\n`)
  await compare('GET /v1/topics', read('/v1/topics', child), real, limit)
  await compare('GET /v1/parents/me', read('/v1/parents/me', child), real, limit)
  const answered = await compare('a builtin turn', turns(real, children), real, limit)

  const kept = await house.count('SELECT count(*) FROM messages WHERE in_reply_to IS NOT NULL')
  process.stdout.write(`turns answered ${answered}, replies stored ${kept}\n`)
  if (kept !== answered) process.exitCode = 1
})
