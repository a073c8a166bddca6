import { setTimeout as delay } from 'node:timers/promises'
import pg from 'pg'

export interface NotificationListener {
  /** True while notifications are being received. */
  readonly connected: boolean
  close(): Promise<void>
}

const MIN_RETRY_MS = 100
const MAX_RETRY_MS = 5_000

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
    const next = new pg.Client({ connectionString: url, application_name: 'brainspark-listen', keepAlive: true })
    next.on('error', () => {})
    try {
      await next.connect()
      next.on('notification', (message) => handlers.onNotification(message.payload ?? ''))
      await next.query(`LISTEN ${next.escapeIdentifier(channel)}`)
      await handlers.onConnect()
    } catch (error) {
      await next.end().catch(() => {})
      throw error
    }
    client = next
    next.once('end', () => {
      client = undefined
      void reconnect()
    })
  }

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
      await client?.end()
    },
  }
}
