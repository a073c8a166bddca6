import { once } from 'node:events'
import { WebSocket } from 'ws'

// biome-ignore lint/suspicious/noExplicitAny: frames are checked by what each test expects of them
export type Frame = { readonly type: string; readonly [field: string]: any }

/** A client of the WebSocket door that keeps every frame it gets. */
export interface SocketClient {
  readonly frames: readonly Frame[]
  send(frame: unknown): void
  /** Resolves with the first frame, among those received or yet to come, that fits. */
  waitFor(fits: string | ((frame: Frame) => boolean)): Promise<Frame>
  /** Resolves with the close code. */
  readonly closed: Promise<number>
  /** The socket itself, for being rude with. */
  readonly raw: WebSocket
  close(): void
}

/** Opens a socket to the server at `address` ("http://..."). */
export async function openSocket(address: string, path = '/v1/ws'): Promise<SocketClient> {
  const raw = new WebSocket(address.replace('http', 'ws') + path)
  const frames: Frame[] = []
  const waiting = new Set<{ fits: (frame: Frame) => boolean; resolve: (frame: Frame) => void; reject: (error: Error) => void }>()
  raw.on('message', (payload) => {
    const frame = JSON.parse(String(payload)) as Frame
    frames.push(frame)
    for (const waiter of waiting) {
      if (!waiter.fits(frame)) continue
      waiting.delete(waiter)
      waiter.resolve(frame)
    }
  })
  const closed = new Promise<number>((resolve) => {
    raw.once('close', (code) => {
      resolve(code)
      for (const waiter of waiting) waiter.reject(new Error(`the socket closed with ${code} before the frame came`))
    })
  })
  raw.on('error', () => {})
  await once(raw, 'open')
  return {
    raw,
    frames,
    closed,
    send: (frame) => raw.send(typeof frame === 'string' ? frame : JSON.stringify(frame)),
    waitFor(wanted) {
      const fits = typeof wanted === 'string' ? (frame: Frame) => frame.type === wanted : wanted
      const known = frames.find(fits)
      if (known) return Promise.resolve(known)
      return new Promise((resolve, reject) => {
        waiting.add({ fits, resolve, reject })
      })
    },
    close: () => raw.close(),
  }
}

/** Opens a socket and authenticates it for a child. */
export async function openChildSocket(address: string, token: string, childId?: string, resume?: { epoch: string; seq: number }): Promise<SocketClient> {
  const socket = await openSocket(address)
  socket.send({ type: 'auth', token: `Bearer ${token}`, ...(childId && { child_id: childId }), ...(resume && { resume }) })
  await socket.waitFor('ready')
  return socket
}
