// What a child waits for when many talk at once: 50 replies of a language model stream at the same time, first straight from
// the provider, then through the built server. `npm run bench:streams` (after a build).
// A direct call sees a token as soon as the provider has written it; a child sees the first whole sentence, once it has been
// judged. So both are told of the direct call: its first token, and the end of its first sentence, which is the floor. That
// a sentence has ended is known a token later still, when the next one begins.
import { setTimeout as delay } from 'node:timers/promises'
import OpenAI from 'openai'
import { replyJson, TWO_SUNS } from '../test/helpers/model-server.ts'
import { openChildSocket, type SocketClient } from '../test/helpers/socket.ts'
import { percentile } from './figures.ts'
import { type Child, type House, inHouse, makeChildren, startConversation } from './house.ts'
import type { RunningServer } from './processes.ts'

const STREAMS = 50
const ROUNDS = 3
const MODEL = 'scripted-model'
const THINKS_MS = 300
const TOKEN_LENGTH = 4
const PACE_MS = 20
const REPLY = replyJson()
const REPLY_MS = THINKS_MS + Math.ceil(REPLY.length / TOKEN_LENGTH) * PACE_MS
const FIRST_SENTENCE = TWO_SUNS.slice(0, TWO_SUNS.indexOf('.') + 1)
/** No two streams ask the same. */
const question = (at: number): string => `What would it be like on a planet with ${at + 2} suns?`

interface Times {
  readonly firstToken: number
  readonly firstSentence: number
}

/** Begins `STREAMS` times, at once or one after the other over the time that a reply takes, and gives what each measured. */
const many = <T>(isSpread: boolean, stream: (at: number) => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: STREAMS }, (_, at) => delay(isSpread ? (at * REPLY_MS) / STREAMS : 0).then(() => stream(at))))

/** Straight from the provider. */
async function direct(client: OpenAI, at: number): Promise<Times> {
  const began = performance.now()
  let [received, firstToken, firstSentence] = ['', 0, 0]
  for await (const chunk of await client.chat.completions.create({ model: MODEL, messages: [{ role: 'user', content: question(at) }], stream: true })) {
    received += chunk.choices[0]?.delta.content ?? ''
    if (received !== '') firstToken ||= performance.now() - began
    if (received.includes(FIRST_SENTENCE)) firstSentence ||= performance.now() - began
  }
  if (received !== REPLY) throw new Error('the provider told something else')
  return { firstToken, firstSentence }
}

interface Talker {
  readonly child: Child
  readonly question: string
  readonly socket: SocketClient
}

/** Through the server, over a socket that has been open before; resolves when the whole reply has come. */
async function through(talker: Talker, conversation: string): Promise<number> {
  const isOf = (type: string) => (frame: { readonly type: string; readonly conversation_id?: string }) =>
    frame.type === type && frame.conversation_id === conversation
  const began = performance.now()
  talker.socket.send({ type: 'message', conversation_id: conversation, content: talker.question })
  const chunk = await talker.socket.waitFor(isOf('message_chunk'))
  const firstSentence = performance.now() - began
  const { message } = await talker.socket.waitFor(isOf('message_complete'))
  if (chunk.chunk.trim() !== FIRST_SENTENCE || message.content !== TWO_SUNS) throw new Error('a child was told something else')
  return firstSentence
}

const row = (name: string, figures: readonly string[]) => process.stdout.write(`${name.padEnd(52)} ${figures.map((figure) => figure.padStart(8)).join(' ')}\n`)
const SHARES = [0.5, 0.95]

async function compare(title: string, isSpread: boolean, client: OpenAI, server: RunningServer, talkers: readonly Talker[]): Promise<void> {
  const [straight, waited]: [Times[], number[]] = [[], []]
  let cpuMs = 0
  for (let round = 0; round < ROUNDS; round += 1) {
    straight.push(...(await many(isSpread, (at) => direct(client, at))))
    const conversations = await Promise.all(talkers.map(({ child }) => startConversation(server.address, child)))
    const before = server.cpuMs()
    waited.push(...(await many(isSpread, (at) => through(talkers[at] as Talker, conversations[at] as string))))
    cpuMs += server.cpuMs() - before
  }
  const of = (values: readonly number[]) => SHARES.map((share) => percentile(values, share))
  const [token, sentence, child] = [of(straight.map((times) => times.firstToken)), of(straight.map((times) => times.firstSentence)), of(waited)]
  const ms = (values: readonly number[]) => values.map((value) => value.toFixed(0))
  const against = (floor: readonly number[]) => [
    ...child.map((value, at) => `+${(value - (floor[at] as number)).toFixed(0)}`),
    ...child.map((value, at) => (value / (floor[at] as number)).toFixed(2)),
  ]
  row(`\n${title}`, ['p50', 'p95', 'x p50', 'x p95'])
  row('direct: first token', ms(token))
  row('direct: end of the first sentence', ms(sentence))
  row('a child: first sentence', ms(child))
  row('  over the first token of a direct call', against(token))
  row('  over the end of its first sentence', against(sentence))
  row('server CPU for each turn', [(cpuMs / waited.length).toFixed(1)])
}

async function measure(house: House): Promise<void> {
  const script = { REPLY, THINKS_MS: `${THINKS_MS}`, TOKEN_LENGTH: `${TOKEN_LENGTH}`, PACE_MS: `${PACE_MS}` }
  const provider = await house.start(['--import', 'tsx', 'bench/provider.ts'], script)
  const tokens = '1000000000'
  const access = { OPENAI_API_KEY: 'sk-bench', OPENAI_BASE_URL: provider.address, TUTOR_MODEL: MODEL }
  const server = await house.startBuilt({ ...access, TUTOR_TOKENS_PER_CHILD_DAY: tokens, TUTOR_TOKENS_PER_DAY: tokens })
  const client = new OpenAI({ apiKey: 'sk-bench', baseURL: provider.address, maxRetries: 0 })
  const children = await makeChildren(server.address, STREAMS)
  const talkers = await Promise.all(
    children.map(async (child, at) => ({ child, question: question(at), socket: await openChildSocket(server.address, child.token, child.id) })),
  )

  process.stdout.write(
    `${STREAMS} streams, ${ROUNDS} rounds of each by turns after one to warm up; the provider thinks for ${THINKS_MS} ms, then writes ${TOKEN_LENGTH} characters every ${PACE_MS} ms; ms\n`,
  )
  await many(true, (at) => direct(client, at))
  await many(true, async (at) => through(talkers[at] as Talker, await startConversation(server.address, children[at] as Child)))
  await compare('begun one after the other', true, client, server, talkers)
  await compare('begun all at once', false, client, server, talkers)

  const told = STREAMS * (1 + 2 * ROUNDS)
  const kept = await house.count('SELECT count(*) FROM messages WHERE in_reply_to IS NOT NULL AND model = $1 AND content = $2', [MODEL, TWO_SUNS])
  process.stdout.write(`\nturns told ${told}, replies of the model stored whole ${kept}\n`)
  if (kept !== told) process.exitCode = 1
  for (const { socket } of talkers) socket.close()
}

await inHouse(measure)
