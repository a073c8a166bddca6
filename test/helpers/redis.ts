import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { Redis } from 'ioredis'

export interface TestRedis {
  readonly url: string
  stop(): Promise<void>
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (!address || typeof address === 'string') throw new Error('no port')
  return address.port
}

const hasRedisServer = (): boolean => {
  try {
    execFileSync('redis-server', ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** Starts the `redis-server` of the PATH, keeping nothing on disk. Throws where there is none. */
export async function startRedis(directory: string): Promise<TestRedis> {
  const port = await freePort()
  const child = spawn('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', directory], {
    stdio: 'ignore',
  })
  const url = `redis://127.0.0.1:${port}`
  const client = new Redis(url, { lazyConnect: true, maxRetriesPerRequest: null, retryStrategy: () => 50 })
  client.on('error', () => {})
  await client.connect().catch(() => {})
  while ((await client.ping().catch(() => '')) !== 'PONG') await delay(20)
  client.disconnect()
  return {
    url,
    async stop() {
      if (child.exitCode !== null) return
      child.kill('SIGTERM')
      await once(child, 'exit')
    },
  }
}

/** REDIS_URL, else a server started from the PATH, else nothing: then the tests that need Redis are skipped by name. */
export async function findRedis(directory: string): Promise<TestRedis | undefined> {
  const url = process.env.REDIS_URL
  if (url) return { url, stop: async () => {} }
  return hasRedisServer() ? startRedis(directory) : undefined
}
