import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'

export interface NotificationListener {
  /** True while notifications are being received. */
  readonly connected: boolean
  close(): Promise<void>
}

const MIN_RETRY_MS = 100
const MAX_RETRY_MS = 5_000
const HEARTBEAT_MS = 15_000
const ANSWER_TIMEOUT_MS = 5_000

/**
 * LISTENs on a channel with a connection of its own, reconnecting for ever. `onConnect` runs after every (re)connect,
 * before the first notification: there the listener catches up on what it missed. Resolves once connected.
 */
export async function listenTo(
  url: string,
  channel: string,
  handlers: { onConnect(): Promise<void>; onNotification(payload: string): void; onError(error: unknown): void },
): Promise<NotificationListener> {
  let client: pg.Client | undefined
  let closed = false

  const connect = async (): Promise<void> => {
    const next = new pg.Client({ connectionString: url, application_name: 'brainspark-listen', keepAlive: true, query_timeout: ANSWER_TIMEOUT_MS })
    let hasEnded = false
    next.on('error', () => {})
    next.once('end', () => {
      hasEnded = true
      lose(next)
    })
    try {
      await next.connect()
      next.on('notification', (message) => handlers.onNotification(message.payload ?? ''))
      await next.query(`LISTEN ${next.escapeIdentifier(channel)}`)
      await handlers.onConnect()
      if (hasEnded) throw new Error('the connection was lost while catching up')
    } catch (error) {
      await next.end().catch(() => {})
      throw error
    }
    client = next
  }

  /** Begins again when the connection that listens is gone. */
  const lose = (lost: pg.Client): void => {
    if (client !== lost) return
    client = undefined
    void reconnect()
  }

  // A connection whose other end has vanished says nothing by itself.
  const heartbeat = setInterval(() => {
    const asked = client
    asked?.query('SELECT 1').catch((error: unknown) => {
      handlers.onError(error)
      void asked.end().catch(() => {})
      lose(asked)
    })
  }, HEARTBEAT_MS)
  heartbeat.unref()

  const reconnect = async (): Promise<void> => {
    for (let wait = MIN_RETRY_MS; !closed; wait = Math.min(wait * 2, MAX_RETRY_MS)) {
      try {
        return await connect()
      } catch (error) {
        handlers.onError(error)
        await delay(wait, undefined, { ref: false })
      }
    }
  }

  await connect()
  return {
    get connected() {
      return client !== undefined
    },
    async close() {
      closed = true
      clearInterval(heartbeat)
      await client?.end()
    },
  }
}
