import { EventEmitter, once } from 'node:events'
import { WebSocket } from 'ws'
import type { LiveEvents, NumberedEvent, Position } from '../../src/learning/gateway/live-events.ts'
import { relieved } from './pressure.ts'
import type { TestServer } from './server.ts'
import { type Frame, openSocket, type SocketClient } from './socket.ts'

/** The events of section 10 among the frames: those with a number. */
export const eventsOf = (frames: readonly Frame[]): Frame[] => frames.filter((frame) => frame.seq !== undefined && frame.type !== 'ready')

export const isTurnEnd = (frame: Frame): boolean => frame.type === 'typing' && frame.is_typing === false

/** The next turn's events after `seq`, once they have all come. */
export async function turnEvents(socket: SocketClient, seq = 0): Promise<Frame[]> {
  const end = await socket.waitFor((frame) => isTurnEnd(frame) && frame.seq > seq)
  return eventsOf(socket.frames).filter((frame) => frame.seq > seq && frame.seq <= end.seq)
}

/** Somebody who listens to live events without a socket. */
export interface Listener {
  readonly events: readonly NumberedEvent[]
  /** The epochs it was told, the first when it became ready. */
  readonly epochs: readonly string[]
  /** Resolves with what it missed since the position it came back with. */
  readonly ready: Promise<{ readonly position: Position; readonly missed: readonly NumberedEvent[] | undefined }>
  /** Resolves with why it hears nothing more. */
  readonly ended: Promise<'lost' | 'refused'>
  /** Resolves with the first event, among those heard or yet to come, that fits; rejects when it ends before. */
  waitFor(fits: (event: NumberedEvent) => boolean): Promise<NumberedEvent>
  leave(): void
}

export function listen(live: LiveEvents, childId: string, resume?: Position): Listener {
  const events: NumberedEvent[] = []
  const epochs: string[] = []
  const heard = new EventEmitter()
  heard.setMaxListeners(0)
  const leave = live.subscribe(childId, resume, {
    ready(position, missed) {
      epochs.push(position.epoch)
      setImmediate(() => heard.emit('ready', { position, missed }))
    },
    event(event) {
      events.push(event)
      heard.emit('event', event)
    },
    renumbered: ({ epoch }) => epochs.push(epoch),
    lost: () => heard.emit('ended', 'lost'),
    refused: () => heard.emit('ended', 'refused'),
  })
  const ended = once(heard, 'ended').then(([why]) => why)
  return {
    events,
    epochs,
    ready: once(heard, 'ready').then(([ready]) => ready),
    ended,
    leave,
    waitFor(fits) {
      const known = events.find(fits)
      if (known) return Promise.resolve(known)
      return new Promise((resolve, reject) => {
        heard.on('event', (event) => fits(event) && resolve(event))
        void ended.then((why) => reject(new Error(`it was ${why} before the event came`)))
      })
    },
  }
}

/** Resolves when the child's running turn has told its end, whether or not a socket listens. */
export async function turnEnds(server: TestServer, childId: string): Promise<void> {
  const listener = listen(server.deps.live, childId)
  await listener.waitFor((event) => event.type === 'typing' && !event.is_typing)
  listener.leave()
}

/** Comes back from a position; resolves with every frame up to `resumed`. */
export async function comeBack(
  address: string,
  family: { readonly token: string; readonly childId: string },
  resume: Position,
): Promise<{ readonly socket: SocketClient; readonly frames: readonly Frame[] }> {
  const socket = await openSocket(address)
  socket.send({ type: 'auth', token: family.token, child_id: family.childId, resume })
  await socket.waitFor('resumed')
  return { socket, frames: [...socket.frames] }
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
