import type { Redis } from 'ioredis'
import type { Clock } from '../clock.ts'

export interface WindowCount {
  /** Hits in the current window, this one included. */
  readonly count: number
  /** When the window ends, milliseconds since the epoch. */
  readonly resetAt: number
}

/** Fixed-window counters: a window starts with the first hit of a key and lasts `windowMs`. */
export interface Counters {
  hit(key: string, windowMs: number): Promise<WindowCount>
}

const MAX_KEYS = 100_000
/** Making room goes through all windows, so that it is made for many at once. */
const ROOM_LEFT = 0.9

/** Counters of this process; at most 100,000 keys, the oldest windows go first. */
export function memoryCounters(clock: Clock): Counters {
  const windows = new Map<string, { count: number; resetAt: number }>()
  const makeRoom = (now: number) => {
    for (const [key, window] of windows) if (window.resetAt <= now) windows.delete(key)
    for (const key of windows.keys()) {
      if (windows.size < MAX_KEYS * ROOM_LEFT) break
      windows.delete(key)
    }
  }
  return {
    async hit(key, windowMs) {
      const now = clock.now()
      const window = windows.get(key)
      if (window && window.resetAt > now) {
        window.count += 1
        return { count: window.count, resetAt: window.resetAt }
      }
      if (windows.size >= MAX_KEYS) makeRoom(now)
      windows.delete(key)
      const fresh = { count: 1, resetAt: now + windowMs }
      windows.set(key, fresh)
      return { ...fresh }
    },
  }
}

const HIT_SCRIPT = `
local count = redis.call('INCR', KEYS[1])
if count == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
local left = redis.call('PTTL', KEYS[1])
if left < 0 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) left = tonumber(ARGV[1]) end
return { count, left }`

/** Counters shared by every instance on one Redis. Rejects while Redis is away. */
export function redisCounters(redis: Redis, clock: Clock): Counters {
  return {
    async hit(key, windowMs) {
      const [count, leftMs] = (await redis.eval(HIT_SCRIPT, 1, `count:${key}`, windowMs)) as [number, number]
      return { count, resetAt: clock.now() + leftMs }
    },
  }
}

/** The shared counters while they answer, else those of this process: a limit that counts less beats no limit and no service. */
export function countersWithFallback(shared: Counters, own: Counters): Counters {
  return { hit: (key, windowMs) => shared.hit(key, windowMs).catch(() => own.hit(key, windowMs)) }
}
