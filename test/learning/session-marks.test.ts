import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest'
import { redisSessionMarks, type SessionMarks } from '../../src/learning/gateway/session-marks.ts'
import { openRedis } from '../../src/platform/ephemeral/redis.ts'
import { newId } from '../../src/platform/ids.ts'
import { until } from '../helpers/pressure.ts'

const redisUrl = inject('redisUrl')

describe.skipIf(!redisUrl)('marks of what children were told', () => {
  const redis = openRedis(redisUrl || 'redis://127.0.0.1:1', () => {})
  let marks: SessionMarks
  beforeAll(async () => {
    marks = redisSessionMarks(redis)
    await until(() => redis.status === 'ready')
  })
  afterAll(() => redis.disconnect())
  const exchange = async (childId: string, at: number, text: string, rank: number) =>
    (await marks.exchange(at, new Map([[childId, { text, rank }]]))).get(childId)

  it('are given back to the first alone that marks something else, and for a while only', async () => {
    const childId = newId()
    expect(await exchange(childId, 10_000, 'five', 1)).toBeUndefined()
    expect(await exchange(childId, 10_000, 'five', 1)).toBe('five')
    const outcomes = await Promise.all(Array.from({ length: 20 }, (_, index) => exchange(childId, 15_000 + index, 'one', 2)))
    expect(outcomes.filter((before) => before === 'five')).toHaveLength(1)
    expect(outcomes.filter((before) => before === 'one')).toHaveLength(19)
    expect(await redis.pttl(`live:{${childId}}:told`)).toBeGreaterThan(0)
    expect(await redis.pttl(`live:{${childId}}:told`)).toBeLessThanOrEqual(30_000)
  })

  it('are not taken back by one who looked earlier, or at the same moment and saw less', async () => {
    const childId = newId()
    await exchange(childId, 10_000, 'five', 1)
    for (const [at, text, rank] of [
      [9_000, 'far', 0],
      [10_000, 'far', 0],
      [10_999, 'far', 0],
      [10_500, 'other five', 1],
    ] as const)
      expect(await exchange(childId, at, text, rank)).toBe(text)
    expect(await exchange(childId, 10_500, 'five', 1)).toBe('five')
    expect(await exchange(childId, 11_500, 'far', 0)).toBe('five')
    expect(await exchange(childId, 11_501, 'five', 1)).toBe('far')
  })

  it('are of each child apart, for many at once', async () => {
    const children = Array.from({ length: 1_000 }, () => newId())
    const of = (text: string) => new Map(children.map((childId, index) => [childId, { text: `${text} ${index}`, rank: 0 }]))
    expect((await marks.exchange(10_000, of('first'))).size).toBe(0)
    const before = await marks.exchange(15_000, of('second'))
    expect(children.map((childId) => before.get(childId))).toEqual(children.map((_, index) => `first ${index}`))
  })
})
