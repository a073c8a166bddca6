import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { starsFor } from '../../src/learning/rewards/stars.ts'

interface Ended {
  readonly topic: number
  readonly depth: number
}

/** What a day's conversations are paid, one after the other, as the ledger remembers it. */
function payDay(conversations: readonly Ended[]): { payments: number[]; total: number; best: Map<number, number> } {
  const best = new Map<number, number>()
  const payments: number[] = []
  let total = 0
  for (const { topic, depth } of conversations) {
    const paid = best.get(topic) ?? 0
    const stars = starsFor(depth, paid, total)
    payments.push(stars)
    total += stars
    best.set(topic, Math.max(paid, depth))
  }
  return { payments, total, best }
}

const depth = fc.integer({ min: 0, max: 10 })
const day = fc.array(fc.record({ topic: fc.nat(24), depth }), { maxLength: 60 })

describe('stars', () => {
  it('are five for each depth', () => {
    expect(starsFor(3, 0, 0)).toBe(15)
    expect(starsFor(10, 0, 0)).toBe(50)
    expect(starsFor(0, 0, 0)).toBe(0)
  })

  it('are paid only for depths beyond those already paid for that topic that day', () => {
    expect(starsFor(5, 3, 15)).toBe(10)
    expect(starsFor(3, 3, 15)).toBe(0)
    expect(starsFor(1, 3, 15)).toBe(0)
  })

  it('stop at 150 a day, paying what is left of them', () => {
    expect(starsFor(10, 0, 100)).toBe(50)
    expect(starsFor(10, 0, 101)).toBe(49)
    expect(starsFor(10, 0, 149)).toBe(1)
    expect(starsFor(10, 0, 150)).toBe(0)
    expect(starsFor(10, 0, 151)).toBe(0)
  })

  it('come to five times the best depth of a topic, however many conversations it took', () => {
    fc.assert(
      fc.property(fc.array(depth, { minLength: 1, maxLength: 20 }), (depths) => {
        const { total } = payDay(depths.map((reached) => ({ topic: 0, depth: reached })))
        expect(total).toBe(5 * Math.max(...depths))
      }),
    )
  })

  it('never exceed 150 a day and are never negative', () => {
    fc.assert(
      fc.property(day, (conversations) => {
        const { payments, total, best } = payDay(conversations)
        expect(Math.min(0, ...payments)).toBe(0)
        const deserved = 5 * [...best.values()].reduce((sum, reached) => sum + reached, 0)
        expect(total).toBe(Math.min(150, deserved))
      }),
    )
  })

  it('do not depend on the order of the conversations of a day', () => {
    fc.assert(
      fc.property(day, (conversations) => {
        expect(payDay(conversations.toReversed()).total).toBe(payDay(conversations).total)
      }),
    )
  })
})
