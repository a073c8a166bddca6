import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DEPTH_THRESHOLDS, depthOf, pointsOf, type TurnKind } from '../../src/learning/conversations/depth.ts'

const T = [1, 3, 6, 9, 11, 13, 15, 17, 19, 21]

describe('depth of a conversation', () => {
  it('has the thresholds of the design', () => {
    expect([...DEPTH_THRESHOLDS]).toEqual(T)
  })

  it.each(T.map((threshold, index) => ({ threshold, depth: index + 1 })))(
    'reaches depth $depth with $threshold points, not with one fewer',
    ({ threshold, depth }) => {
      expect(depthOf(threshold)).toBe(depth)
      expect(depthOf(threshold - 1)).toBe(depth - 1)
    },
  )

  it('is 0 without points and stays 10 beyond the last threshold', () => {
    expect(depthOf(0)).toBe(0)
    expect(depthOf(22)).toBe(10)
    expect(depthOf(1_000_000)).toBe(10)
  })

  it('counts a choice once, an on-topic question twice and anything else not at all', () => {
    expect(pointsOf('choice')).toBe(1)
    expect(pointsOf('on_topic_question')).toBe(2)
    expect(pointsOf('off_topic')).toBe(0)
  })

  it('is the largest depth whose threshold the points reach', () => {
    fc.assert(
      fc.property(fc.nat(60), (points) => {
        const largest = T.reduce((depth, threshold, index) => (points >= threshold ? index + 1 : depth), 0)
        expect(depthOf(points)).toBe(largest)
      }),
    )
  })

  it('never falls as points are added, and grows by one depth a turn at most', () => {
    const turns = fc.array(fc.constantFrom<TurnKind>('choice', 'on_topic_question', 'off_topic'), { maxLength: 60 })
    fc.assert(
      fc.property(turns, (kinds) => {
        let points = 0
        for (const kind of kinds) {
          const before = depthOf(points)
          points += pointsOf(kind)
          expect(depthOf(points) - before).toBeGreaterThanOrEqual(0)
          expect(depthOf(points) - before).toBeLessThanOrEqual(1)
        }
      }),
    )
  })
})
