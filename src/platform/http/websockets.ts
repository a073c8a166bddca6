import { EventEmitter } from 'node:events'
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import websocket from '@fastify/websocket'
import type { FastifyInstance } from 'fastify'

const KEY = /^[+/0-9a-z]{22}==$/i
const VERSIONS: readonly unknown[] = ['8', '13']
/** What an answer without an upgrade does away with: headers of this connection alone. */
const UPGRADE_HEADERS: ReadonlySet<string> = new Set(['connection', 'upgrade', 'http2-settings'])

/**
 * Lets routes be doors for WebSockets, and owns all upgrades. Node takes a request that asks for one, whatever it is, off its
 * connection, and with it whatever reads bodies and watches the time. So only those that ask a door for a WebSocket, in a way
 * that can be granted, are let through; the rest (HTTP/2 in clear text, mostly) are put back and answered as if they had not
 * asked, as RFC 9110 allows. Either waits until what was asked before on the same connection is answered.
 */
export async function registerWebSockets(app: FastifyInstance, maxFrameBytes: number): Promise<void> {
  const doors = new Set<string>()
  app.addHook('onRoute', ({ url, wsHandler }) => {
    if (wsHandler) doors.add(url)
  })
  const granted = new EventEmitter() as Server
  app.server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    const [path = ''] = (request.url ?? '').split('?', 1)
    onceAnswered(socket, () => {
      if (doors.has(path) && asksForWebSocket(request)) {
        granted.emit('upgrade', request, socket, head)
        // It is refused, then, and nobody else would end the connection: a server that stops answers without its hooks.
        answerOn(socket)?.once('finish', () => socket.destroySoon())
      } else {
        socket.unshift(Buffer.concat([Buffer.from(headWithoutUpgrade(request), 'latin1'), head]))
        app.server.emit('connection', socket)
      }
    })
  })
  await app.register(websocket, {
    options: { server: granted, maxPayload: maxFrameBytes },
    preClose: (done) => done(),
    errorHandler(error: Error & { code?: string }, socket, request) {
      // What a peer sends amiss is its own fault: the socket tells it so by the close code.
      if (error.code?.startsWith('WS_ERR_')) request.log.debug({ code: error.code }, 'a socket was used against the protocol')
      else request.log.error({ err: error }, 'a socket failed')
      socket.terminate()
    },
  })
}

/** The answer that is under way on a connection: Node keeps it there, and nowhere else. */
const answerOn = (socket: Socket): ServerResponse | undefined => (socket as Socket & { _httpMessage?: ServerResponse | null })._httpMessage ?? undefined

/** Acts when nothing is under way on a connection any more; never when it ends before. */
function onceAnswered(socket: Socket, act: () => void): void {
  const answer = answerOn(socket)
  if (!answer) {
    act()
    return
  }
  // Node watches over the connection no more: an error that nobody hears would end the process.
  const onError = () => {}
  socket.on('error', onError)
  answer.once('close', () => {
    if (socket.destroyed) return
    socket.off('error', onError)
    // That of a connection at rest, which Node sets behind each answer.
    socket.setTimeout(0)
    onceAnswered(socket, act)
  })
}

function asksForWebSocket({ method, headers }: IncomingMessage): boolean {
  const { upgrade, 'sec-websocket-key': key, 'sec-websocket-version': version } = headers
  return method === 'GET' && upgrade?.toLowerCase() === 'websocket' && KEY.test(key ?? '') && VERSIONS.includes(version)
}

/** The request as it came, but for its wish. Its connection ends with the answer: the next one would bring the wish again. */
function headWithoutUpgrade({ method, url, httpVersion, rawHeaders }: IncomingMessage): string {
  let head = `${method} ${url} HTTP/${httpVersion}\r\n`
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const name = rawHeaders[index] as string
    if (!UPGRADE_HEADERS.has(name.toLowerCase())) head += `${name}: ${rawHeaders[index + 1]}\r\n`
  }
  return `${head}Connection: close\r\n\r\n`
}
