import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type EvidenceDay, evidenceOf, growthOf, growthScore, perSkill, SKILLS, type Skill, shareOf, signsOf } from '../../src/learning/progress/growth.ts'
import { addDays, dayNumber } from '../../src/platform/local-date.ts'

const TODAY = '2026-11-21'
const daysAgo = (days: number) => addDays(TODAY, -days)
const anySkill = fc.constantFrom(...SKILLS)
const anyWeight = fc.constantFrom(1, 0.25)
const anyEvidence: fc.Arbitrary<EvidenceDay[]> = fc.array(
  fc.tuple(anySkill, fc.integer({ min: 0, max: 420 }), anyWeight).map(([skill, days, weight]) => [skill, daysAgo(days), weight] as const),
  { minLength: 1, maxLength: 300 },
)
const anyPeriod = fc.constantFrom(daysAgo(0), daysAgo(6), daysAgo(29))
const ageOf = ([, day]: EvidenceDay) => dayNumber(TODAY) - dayNumber(day)

describe('what a turn says about ways of thinking', () => {
  it.each<[string, Skill, string[]]>([
    ['Why do stars twinkle?', 'critical_thinking', ['asked why or how']],
    ['How come it is better than the other?', 'critical_thinking', ['asked why or how', 'compared things']],
    ['Is that really true?', 'critical_thinking', ['wondered whether it is true']],
    ['What if there was no Moon?', 'creative_thinking', ['asked what if']],
    ["I'd fly there and pretend to be a comet", 'creative_thinking', ['imagined something']],
    ['Could we build a rocket?', 'creative_thinking', ['thought of something to make']],
    ['Because it must be hot', 'logical_reasoning', ['gave a reason or drew a conclusion']],
    ['If it rains it would be wet', 'logical_reasoning', ['worked out what follows from an if']],
    ['How many moons are there?', 'logical_reasoning', ['counted or measured']],
  ])('"%s" shows %s, and says so to a parent', (text, skill, signs) => {
    expect(evidenceOf(text, true, false)).toContainEqual({ skill, weight: 1 })
    expect(signsOf(skill, text)).toEqual(signs)
  })

  it('weighs a quarter by choice, and counts reaching into another topic', () => {
    expect(evidenceOf('Why do stars twinkle?', false, true)).toEqual([
      { skill: 'critical_thinking', weight: 0.25 },
      { skill: 'knowledge_connection', weight: 0.25 },
    ])
    expect(evidenceOf('Tell me about planets!', true, false)).toEqual([])
    expect(signsOf('knowledge_connection', 'Tell me about planets!')).toEqual(['reached into another topic'])
  })

  it('is called something for every skill, and by a sign of its own wherever there is one', () => {
    const words = fc.array(fc.constantFrom('why', 'what', 'if', 'then', 'better', 'imagine', 'count', 'because', 'stars', 'how', 'many', 'would', 'i'), {
      maxLength: 8,
    })
    fc.assert(
      fc.property(words, anySkill, (said, skill) => {
        const text = said.join(' ')
        const isShown = evidenceOf(text, true, false).some((evidence) => evidence.skill === skill)
        const signs = signsOf(skill, text)
        expect(signs.length).toBeGreaterThan(0)
        expect(isShown).toBe(!signsOf(skill, '').includes(signs[0] as string))
      }),
    )
  })
})

describe('growth', () => {
  it('has the scores of the design', () => {
    expect([0, 1, 40, 80, 1_000].map(growthScore)).toEqual([0, 2, 63, 86, 100])
  })

  it('tells what a week brought apart from what has faded', () => {
    const old: EvidenceDay = ['critical_thinking', daysAgo(34), 40]
    const still = growthOf([old], daysAgo(6), TODAY).critical_thinking
    expect(still).toMatchObject({ score: 35, change: -4, gained: 0, faded: -4 })
    const moved = growthOf([old, ['critical_thinking', daysAgo(6), 8]], daysAgo(6), TODAY).critical_thinking
    expect(moved).toMatchObject({ gained: moved.score - still.score, faded: -4, change: moved.score - 39 })
  })

  it('changes by what was gained and what has faded, and by nothing else', () => {
    fc.assert(
      fc.property(anyEvidence, anyPeriod, (evidence, from) => {
        for (const { score, change, gained, faded } of Object.values(growthOf(evidence, from, TODAY))) {
          expect(change).toBe(gained + faded)
          expect([score >= 0 && score <= 100, gained >= 0, faded <= 0]).toEqual([true, true, true])
        }
      }),
    )
  })

  it('is explained by the points of its evidence, whatever the order it came in', () => {
    fc.assert(
      fc.property(anyEvidence, anyPeriod, (evidence, from) => {
        const growth = growthOf(evidence, from, TODAY)
        const points = perSkill((skill) =>
          evidence.filter(([of]) => of === skill).reduce((sum, item) => sum + shareOf(growth[skill].sum, item[2], ageOf(item)).points, 0),
        )
        for (const skill of SKILLS) expect(Math.abs(points[skill] - growth[skill].score)).toBeLessThanOrEqual(0.5 + 1e-9)
        expect(growthOf(evidence.toReversed(), from, TODAY).critical_thinking.score).toBe(growth.critical_thinking.score)
      }),
    )
  })

  it('never rises by dismissing, falls to what was foretold, and leaves the other skills as they were', () => {
    fc.assert(
      fc.property(anyEvidence, anyPeriod, fc.nat(), (evidence, from, place) => {
        const index = place % evidence.length
        const item = evidence[index] as EvidenceDay
        const [before, after] = [growthOf(evidence, from, TODAY), growthOf(evidence.toSpliced(index, 1), from, TODAY)]
        const share = shareOf(before[item[0]].sum, item[2], ageOf(item))
        expect(after[item[0]].score).toBeLessThanOrEqual(before[item[0]].score)
        expect(after[item[0]].score).toBe(share.scoreWithout)
        expect(growthScore(before[item[0]].sum) - share.scoreWithout).toBeLessThanOrEqual(share.points + 1)
        for (const skill of SKILLS) if (skill !== item[0]) expect(after[skill]).toEqual(before[skill])
      }),
    )
  })

  it('makes nothing of dismissed evidence, nor of evidence where there is none', () => {
    expect(shareOf(40, 0, 3)).toEqual({ weightNow: 0, points: 0, scoreWithout: 63 })
    expect(shareOf(0, 0, 0)).toEqual({ weightNow: 0, points: 0, scoreWithout: 0 })
    expect(shareOf(1, 1, 0)).toMatchObject({ weightNow: 1, scoreWithout: 0 })
  })
})
