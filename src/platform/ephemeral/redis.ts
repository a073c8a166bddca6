import { Redis } from 'ioredis'

const COMMAND_TIMEOUT_MS = 500
/** A connection that owes answers and has said nothing for so long is gone, whatever the network says. */
const SILENCE_MS = 5_000
const MAX_RECONNECT_DELAY_MS = 2_000

/**
 * A Redis connection that fails fast: commands are refused at once while it is down instead of queueing, and it
 * reconnects for ever in the background.
 */
export function openRedis(url: string, onError: (error: Error) => void): Redis {
  const redis = new Redis(url, {
    enableOfflineQueue: false,
    maxRetriesPerRequest: 0,
    commandTimeout: COMMAND_TIMEOUT_MS,
    connectTimeout: COMMAND_TIMEOUT_MS * 4,
    socketTimeout: SILENCE_MS,
    keyPrefix: 'brainspark:',
    retryStrategy: (attempt) => Math.min(attempt * 100, MAX_RECONNECT_DELAY_MS),
  })
  redis.on('error', onError)
  return redis
}
