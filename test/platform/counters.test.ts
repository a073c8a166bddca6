import fc from 'fast-check'
import { Redis } from 'ioredis'
import { describe, expect, inject, it } from 'vitest'
import { MINUTE } from '../../src/platform/clock.ts'
import { type Counters, countersWithFallback, memoryCounters, redisCounters } from '../../src/platform/ephemeral/counters.ts'
import { newId } from '../../src/platform/ids.ts'
import { NOON, testClock } from '../helpers/clock.ts'

const redisUrl = inject('redisUrl')

describe('counters of one process', () => {
  it('count within a window from its first hit on, whatever the times and keys', async () => {
    const step = fc.record({ key: fc.constantFrom('a', 'b', 'c'), pause: fc.integer({ min: 0, max: 40_000 }) })
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        const clock = testClock()
        const counters = memoryCounters(clock)
        const expected = new Map<string, { count: number; resetAt: number }>()
        for (const { key, pause } of steps) {
          clock.advance(pause)
          const open = expected.get(key)
          const count = open && open.resetAt > clock.now() ? { ...open, count: open.count + 1 } : { count: 1, resetAt: clock.now() + MINUTE }
          expected.set(key, count)
          expect(await counters.hit(key, MINUTE)).toEqual(count)
        }
      }),
      { numRuns: 100 },
    )
  })

  it('start anew at the instant the window ends', async () => {
    const clock = testClock()
    const counters = memoryCounters(clock)
    await counters.hit('a', MINUTE)
    clock.advance(MINUTE - 1)
    expect(await counters.hit('a', MINUTE)).toEqual({ count: 2, resetAt: NOON + MINUTE })
    clock.advance(1)
    expect(await counters.hit('a', MINUTE)).toEqual({ count: 1, resetAt: NOON + 2 * MINUTE })
  })

  it('lose no hit that comes with others', async () => {
    const counters = memoryCounters(testClock())
    const counts = await Promise.all(Array.from({ length: 100 }, () => counters.hit('a', MINUTE)))
    expect(counts.map(({ count }) => count).sort((a, b) => a - b)).toEqual(Array.from({ length: 100 }, (_, index) => index + 1))
  })

  // Attack: a flood of made-up keys fills the memory.
  it('hold a hundred thousand keys and forget the oldest first', async () => {
    const clock = testClock()
    const counters = memoryCounters(clock)
    for (let key = 0; key < 100_000; key += 1) await counters.hit(`key ${key}`, MINUTE)
    expect((await counters.hit('key 0', MINUTE)).count).toBe(2)
    expect((await counters.hit('one more', MINUTE)).count).toBe(1)
    expect((await counters.hit('key 99999', MINUTE)).count).toBe(2)
    expect((await counters.hit('key 0', MINUTE)).count).toBe(1)
  })

  // Attack: the caller's own object is changed afterwards and with it the count.
  it('hand out counts that nobody can change', async () => {
    const counters = memoryCounters(testClock())
    const first = await counters.hit('a', MINUTE)
    Object.assign(first, { count: -100 })
    expect((await counters.hit('a', MINUTE)).count).toBe(2)
  })
})

describe('counters with a fallback', () => {
  it('count here while the shared ones are away, and there again when they are back', async () => {
    const clock = testClock()
    const real = memoryCounters(clock)
    let away = false
    const shared: Counters = { hit: (key, windowMs) => (away ? Promise.reject(new Error('away')) : real.hit(key, windowMs)) }
    const counters = countersWithFallback(shared, memoryCounters(clock))
    expect((await counters.hit('a', MINUTE)).count).toBe(1)
    away = true
    expect([(await counters.hit('a', MINUTE)).count, (await counters.hit('a', MINUTE)).count]).toEqual([1, 2])
    away = false
    expect((await counters.hit('a', MINUTE)).count).toBe(2)
  })
})

describe('shared counters', () => {
  it.skipIf(!redisUrl)('count for two instances as one, in one window', async () => {
    const [one, two] = [new Redis(redisUrl), new Redis(redisUrl)]
    try {
      const clock = testClock()
      const [here, there] = [redisCounters(one, clock), redisCounters(two, clock)]
      const key = newId()
      const counts = await Promise.all(Array.from({ length: 20 }, (_, index) => (index % 2 ? here : there).hit(key, MINUTE)))
      expect(counts.map(({ count }) => count).sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, index) => index + 1))
      for (const { resetAt } of counts) {
        expect(resetAt).toBeGreaterThan(clock.now())
        expect(resetAt).toBeLessThanOrEqual(clock.now() + MINUTE)
      }
      expect(await one.pttl(`count:${key}`)).toBeGreaterThan(0)
    } finally {
      one.disconnect()
      two.disconnect()
    }
  })

  it.skipIf(!redisUrl)('give a window to a count that has lost its end', async () => {
    const redis = new Redis(redisUrl)
    try {
      const key = newId()
      await redis.set(`count:${key}`, 7)
      expect((await redisCounters(redis, testClock()).hit(key, MINUTE)).count).toBe(8)
      expect(await redis.pttl(`count:${key}`)).toBeGreaterThan(0)
    } finally {
      redis.disconnect()
    }
  })
})
