import { once } from 'node:events'
import { WebSocket } from 'ws'
import { relieved } from './pressure.ts'
import type { TestServer } from './server.ts'
import type { Frame, SocketClient } from './socket.ts'

/** The events of section 10 among the frames: those with a number. */
export const eventsOf = (frames: readonly Frame[]): Frame[] => frames.filter((frame) => frame.seq !== undefined && frame.type !== 'ready')

export const isTurnEnd = (frame: Frame): boolean => frame.type === 'typing' && frame.is_typing === false

/** The next turn's events after `seq`, once they have all come. */
export async function turnEvents(socket: SocketClient, seq = 0): Promise<Frame[]> {
  const end = await socket.waitFor((frame) => isTurnEnd(frame) && frame.seq > seq)
  return eventsOf(socket.frames).filter((frame) => frame.seq > seq && frame.seq <= end.seq)
}

/** Resolves when the child's running turn has told its end, whether or not a socket listens. */
export function turnEnds(server: TestServer, childId: string): Promise<void> {
  return new Promise((resolve) => {
    const subscription = server.deps.live.subscribe(childId, undefined, (event) => {
      if (event.type !== 'typing' || event.is_typing) return
      subscription.close()
      resolve()
    })
  })
}

/** 'open' when the server answers a ping, else the code it closed with. */
export function stateOf(socket: SocketClient): Promise<number | 'open'> {
  const pongs = socket.frames.filter((frame) => frame.type === 'pong').length
  if (socket.raw.readyState === WebSocket.OPEN) socket.send({ type: 'ping' })
  const answered = socket.waitFor((frame) => frame.type === 'pong' && socket.frames.filter(({ type }) => type === 'pong').length > pongs)
  return Promise.race([answered.then(() => 'open' as const).catch(() => socket.closed), socket.closed])
}

/** A socket of a client that answers no ping: its process hangs, or its network is gone. Resolves once it is authenticated. */
export async function openSilentSocket(
  address: string,
  token: string,
  childId: string,
): Promise<{ readonly closed: Promise<number>; readonly raw: WebSocket }> {
  const raw = new WebSocket(`${address.replace('http', 'ws')}/v1/ws`, { autoPong: false })
  raw.on('error', () => {})
  const closed = new Promise<number>((resolve) => {
    raw.once('close', resolve)
  })
  await once(raw, 'open')
  raw.send(JSON.stringify({ type: 'auth', token, child_id: childId }))
  await once(raw, 'message')
  return { raw, closed }
}

/** Open sockets as the server counts them. */
export async function openSockets(server: TestServer): Promise<number> {
  const { text } = await server.api.get('/metrics')
  return Number(/^brainspark_sockets (\d+)$/m.exec(text)?.[1])
}

/** Resolves once the server sheds no load: putting a second one together in the same process stops the event loop for a while. */
export const calm = (server: TestServer): Promise<void> => relieved(server.app)

export interface SseEvent {
  readonly event: string
  // biome-ignore lint/suspicious/noExplicitAny: events are checked by what each test expects of them
  readonly data: any
}

/** The events of a server-sent stream that has ended. Throws for anything that is not a whole event. */
export function sseEvents(text: string): SseEvent[] {
  const blocks = text.split('\n\n')
  if (blocks.pop() !== '') throw new Error('the stream ended within an event')
  return blocks.map((block) => {
    const [, event, data] = /^event: (\w+)\ndata: (.+)$/.exec(block) ?? []
    if (event === undefined || data === undefined) throw new Error(`not an event: ${block}`)
    return { event, data: JSON.parse(data) }
  })
}
