import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { FastifyInstance } from 'fastify'

/** Lets the server close without waiting for connections that have never asked for anything, or whose last answer came while it drained. */
export function registerDrain(app: FastifyInstance): void {
  const silent = new Set<Socket>()
  const hasSpoken = (request: IncomingMessage) => silent.delete(request.socket)
  app.server.on('connection', (socket: Socket) => {
    silent.add(socket)
    socket.once('close', () => silent.delete(socket))
  })
  app.server.on('request', hasSpoken)
  app.server.on('upgrade', hasSpoken)
  let draining = false
  app.addHook('onResponse', (_request, _reply, done) => {
    if (draining) setImmediate(() => app.server.closeIdleConnections())
    done()
  })
  app.addHook('preClose', async () => {
    draining = true
    for (const socket of silent) socket.destroy()
  })
}
