import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'

/** A wire between the server and a dependency that can be cut and mended. */
export interface TcpProxy {
  readonly port: number
  /** Refuses new connections and drops the open ones. */
  cut(): Promise<void>
  /** Accepts connections again, on the same port. */
  mend(): Promise<void>
  /** From now on leads to another port. */
  leadTo(port: number): void
  close(): Promise<void>
}

export async function openTcpProxy(targetPort: number): Promise<TcpProxy> {
  let target = targetPort
  const open = new Set<Socket>()
  const server = createServer((client) => {
    const upstream = connect(target, '127.0.0.1')
    const pair = [client, upstream]
    for (const socket of pair) {
      open.add(socket)
      socket.on('error', () => {})
      socket.once('close', () => {
        open.delete(socket)
        for (const other of pair) other.destroy()
      })
    }
    client.pipe(upstream).pipe(client)
  })
  const listen = async (port: number) => {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
  }
  const cut = async () => {
    if (!server.listening) return
    const closed = once(server, 'close')
    server.close()
    for (const socket of open) socket.destroy()
    await closed
  }
  await listen(0)
  const address = server.address()
  if (!address || typeof address === 'string') throw new Error('no port')
  const { port } = address
  return {
    port,
    cut,
    close: cut,
    mend: () => listen(port),
    leadTo(next) {
      target = next
    },
  }
}

/** The URL with another port of the loopback. */
export function throughPort(url: string, port: number): string {
  const through = new URL(url)
  through.hostname = '127.0.0.1'
  through.port = String(port)
  return String(through)
}
