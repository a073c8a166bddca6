import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import { setImmediate as nextTurn } from 'node:timers/promises'

/** A request as the provider saw it. */
export interface ModelRequest {
  readonly path: string
  readonly headers: IncomingHttpHeaders
  // biome-ignore lint/suspicious/noExplicitAny: bodies are checked by what each test expects of them
  readonly body: any
  /** Resolves when the exchange is over: true when the client hung up before the whole answer. */
  readonly hungUp: Promise<boolean>
}

/** How the provider behaves in one exchange. */
export type Behaviour = (response: ServerResponse, request: ModelRequest) => unknown

/** One of a provider's endpoints. */
export interface Endpoint {
  readonly requests: readonly ModelRequest[]
  /** Resolves when so many requests have come. */
  asked(count: number): Promise<void>
  /** Behaves so in the exchanges to come, one after the other; the last one stays. */
  behave(...behaviours: Behaviour[]): void
}

/** A provider that speaks OpenAI's chat completions on the loopback. */
export interface ModelServer extends Endpoint {
  /** What OPENAI_BASE_URL would be. */
  readonly baseUrl: string
  /** POST /v1/moderations: finds nothing until it is told otherwise. */
  readonly moderation: Endpoint
  close(): Promise<void>
}

function endpoint(behaviours: readonly Behaviour[]): Endpoint & { answer(response: ServerResponse, request: ModelRequest): Promise<void> } {
  const requests: ModelRequest[] = []
  const waiters: { count: number; resolve: () => void }[] = []
  let queue = [...behaviours]
  return {
    requests,
    asked: (count) =>
      new Promise((resolve) => {
        if (requests.length >= count) resolve()
        else waiters.push({ count, resolve })
      }),
    behave(...next) {
      queue = next
    },
    async answer(response, request) {
      requests.push(request)
      for (const waiter of waiters) if (requests.length >= waiter.count) waiter.resolve()
      const behaviour = queue.length > 1 ? queue.shift() : queue[0]
      await behaviour?.(response, request)
    },
  }
}

export async function startModelServer(...behaviours: Behaviour[]): Promise<ModelServer> {
  const chat = endpoint(behaviours)
  const moderation = endpoint([judges(() => [])])
  const server = createServer(async (incoming, response) => {
    const parts: Buffer[] = []
    for await (const part of incoming) parts.push(part as Buffer)
    const hungUp = once(response, 'close').then(() => !response.writableFinished)
    const request = { path: incoming.url ?? '', headers: incoming.headers, body: JSON.parse(Buffer.concat(parts).toString('utf8')), hungUp }
    await (request.path === '/v1/moderations' ? moderation : chat).answer(response, request)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  if (!address || typeof address === 'string') throw new Error('no port')
  return {
    ...chat,
    baseUrl: `http://127.0.0.1:${address.port}/v1`,
    moderation,
    async close() {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

export interface ModelReply {
  readonly content?: unknown
  readonly choices?: unknown
  readonly deepens?: unknown
  readonly evidence?: unknown
}

/** Words of a model that does as it is told. */
export const TWO_SUNS =
  'Picture a world with two suns. At noon you would have two shadows! When one sun sets, the other may still shine. What would night be like there?'
export const WAYS_ON = [
  { text: 'What are stars?', icon: 'star' },
  { text: 'How does a shadow know where to go?', icon: 'sun' },
  { text: 'What do plants do with two suns?', icon: 'leaf' },
]

/** The JSON of a reply by our schema. */
export const replyJson = (reply: ModelReply = {}): string =>
  JSON.stringify({ content: TWO_SUNS, choices: WAYS_ON, deepens: true, evidence: ['creative_thinking'], ...reply })

export interface Telling {
  /** Characters of each delta; by default the text goes in three. */
  readonly deltaLength?: number
  /** Bytes of each write to the wire. */
  readonly writeBytes?: number
  readonly finish?: string | null
  readonly usage?: unknown
  /** Goes on so, in place of the end of the stream. */
  readonly after?: Behaviour
}

const USAGE = { prompt_tokens: 900, completion_tokens: 120, total_tokens: 1_020 }
const chunk = (choice: unknown, usage: unknown = null) =>
  `data: ${JSON.stringify({ id: 'chatcmpl-1', object: 'chat.completion.chunk', model: 'scripted-model-2026', choices: choice ? [choice] : [], usage })}\n\n`

/** The events of a stream that tells a text, whatever it is. */
export function eventsOf(text: string, { deltaLength = Math.ceil(text.length / 3) || 1, finish = 'stop', usage = USAGE, after }: Telling = {}): string[] {
  const deltas = Array.from({ length: Math.ceil(text.length / deltaLength) }, (_, at) => text.slice(at * deltaLength, (at + 1) * deltaLength))
  return [
    chunk({ index: 0, delta: { role: 'assistant', content: '' }, finish_reason: null }),
    ...deltas.map((content) => chunk({ index: 0, delta: { content }, finish_reason: null })),
    ...(after ? [] : [finish ? chunk({ index: 0, delta: {}, finish_reason: finish }) : '', usage ? chunk(undefined, usage) : '', 'data: [DONE]\n\n']),
  ]
}

/** Streams a text as its output, whatever it is. */
export function streams(text: string, telling: Telling = {}): Behaviour {
  const { writeBytes, after } = telling
  return async (response, request) => {
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' })
    const bytes = Buffer.from(eventsOf(text, telling).join(''))
    for (let at = 0; at < bytes.length; at += writeBytes ?? bytes.length) {
      await new Promise((resolve) => response.write(bytes.subarray(at, at + (writeBytes ?? bytes.length)), resolve))
      await nextTurn()
    }
    if (after) await after(response, request)
    else response.end()
  }
}

/** Streams a reply by our schema. */
export const replies = (reply: ModelReply = {}, telling?: Telling): Behaviour => streams(replyJson(reply), telling)

/** Answers, or goes on, with events that are given as they are. */
export const sends = (...data: string[]): Behaviour => {
  return (response) => {
    if (!response.headersSent) response.writeHead(200, { 'content-type': 'text/event-stream' })
    response.end(data.map((line) => `data: ${line}\n\n`).join(''))
  }
}

/** Answers all at once, as servers do that do not stream. */
export const answersAtOnce = (text: string): Behaviour => {
  return (response) => {
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ choices: [{ index: 0, message: { role: 'assistant', content: text }, finish_reason: 'stop' }], usage: USAGE }))
  }
}

/** Says in the stream that it will not. */
export const refuses = (refusal: string): Behaviour => sends(JSON.stringify({ choices: [{ index: 0, delta: { refusal }, finish_reason: null }] }), '[DONE]')

/** Answers with a text as JSON, whatever it is. */
export const gives = (text: string, type = 'application/json'): Behaviour => {
  return (response) => {
    response.writeHead(200, { 'content-type': type })
    response.end(text)
  }
}

/** Refuses by HTTP, in the provider's words. */
export function fails(status: number, { headers = {}, error = {} }: { headers?: Readonly<Record<string, string>>; error?: object } = {}): Behaviour {
  return (response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers })
    response.end(JSON.stringify({ error: { message: 'the provider quotes: my secret is a blue whale', type: 'invalid_request_error', ...error } }))
  }
}

/** Knows no JSON schema: what it is asked that way it refuses. */
export const onlyPlain = (plain: Behaviour, refusal: Behaviour = fails(400, { error: { param: 'response_format' } })): Behaviour => {
  return (response, request) => (request.body.response_format ? refusal : plain)(response, request)
}

/** What OpenAI's moderation looks for. */
export const THEIR_CATEGORIES = [
  ...['harassment', 'harassment/threatening', 'hate', 'hate/threatening', 'illicit', 'illicit/violent'],
  ...['self-harm', 'self-harm/intent', 'self-harm/instructions', 'sexual', 'sexual/minors', 'violence', 'violence/graphic'],
] as const
export type TheirCategory = (typeof THEIR_CATEGORIES)[number]

/** Judges a text: the categories that `find` gives are flagged. */
export const judges = (find: (text: string) => readonly TheirCategory[]): Behaviour => {
  return (response, { body }) => {
    const found = find(body.input)
    const categories = Object.fromEntries(THEIR_CATEGORIES.map((category) => [category, found.includes(category)]))
    const scores = Object.fromEntries(THEIR_CATEGORIES.map((category) => [category, found.includes(category) ? 0.98 : 0.001]))
    const result = { flagged: found.length > 0, categories, category_scores: scores }
    response.writeHead(200, { 'content-type': 'application/json' })
    response.end(JSON.stringify({ id: 'modr-1', model: body.model, results: [result] }))
  }
}

/** Judges every text so. */
export const finds = (...categories: TheirCategory[]): Behaviour => judges(() => categories)

/** Begins an answer, and says no more. */
export const hangsWithin =
  (text: string, type: string): Behaviour =>
  (response) => {
    response.writeHead(200, { 'content-type': type })
    response.write(text)
  }

/** Says no more, and does not hang up. */
export const hangs: Behaviour = () => {}

/** Cuts the wire. */
export const cuts: Behaviour = (response) => {
  response.socket?.destroy()
}

/** Ends the stream as if that were all. */
export const ends: Behaviour = (response) => {
  response.end()
}
