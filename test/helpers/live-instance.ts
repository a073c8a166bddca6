import type { LiveEvents } from '../../src/learning/gateway/live-events.ts'
import { redisLiveEvents } from '../../src/learning/gateway/shared-live-events.ts'
import { openRedis } from '../../src/platform/ephemeral/redis.ts'
import { testClock } from './clock.ts'
import { until } from './pressure.ts'
import { openTcpProxy, type TcpProxy, throughPort } from './tcp-proxy.ts'

/** The live events of an instance, without the rest of it. */
export interface LiveInstance {
  readonly live: LiveEvents
  /** The wire between this instance and Redis. */
  readonly wire: TcpProxy
  readonly errors: readonly unknown[]
  close(): Promise<void>
}

/** An instance on its own wire to the Redis at `url`, once it is connected. */
export async function startLive(url: string, { clock = testClock(), maxReaders = 100, checkMs = 60_000 } = {}): Promise<LiveInstance> {
  const wire = await openTcpProxy(Number(new URL(url).port))
  const errors: unknown[] = []
  const redis = openRedis(throughPort(url, wire.port), () => {})
  const live = redisLiveEvents(redis, clock, { maxReaders, checkMs, onError: (error) => errors.push(error) })
  await until(() => live.connected)
  return {
    live,
    wire,
    errors,
    async close() {
      await live.close()
      redis.disconnect()
      await wire.close()
    },
  }
}
