import { dayNumber, type LocalDate } from '../../platform/local-date.ts'

/** Ways of thinking that a parent sees grow. Never a diagnosis. */
export const SKILLS = ['critical_thinking', 'creative_thinking', 'logical_reasoning', 'knowledge_connection'] as const
export type Skill = (typeof SKILLS)[number]

/** Something of each way of thinking, in their order. */
export const perSkill = <T>(of: (skill: Skill) => T): Record<Skill, T> => Object.fromEntries(SKILLS.map((skill) => [skill, of(skill)])) as Record<Skill, T>

const OWN_WORDS_WEIGHT = 1
const CHOICE_WEIGHT = 0.25
/** Evidence counts half after so many days. */
const HALF_LIFE_DAYS = 28
/** The sum of evidence at which a score has come 63 % of its way. */
const SCALE = 40
/** Older evidence weighs less than a ten-thousandth. */
export const EVIDENCE_DAYS = 14 * HALF_LIFE_DAYS

/** What a turn's words are recognised by, and what that is called before a parent. */
const SIGNS: readonly (readonly [Skill, called: string, RegExp])[] = [
  ['critical_thinking', 'asked why or how', /\b(why|how come|how (?:do|does|did|is|are|can|could|would|will))\b/i],
  ['critical_thinking', 'compared things', /\b(compare[ds]?|difference|different|better|best|worse|same as)\b/i],
  ['critical_thinking', 'wondered whether it is true', /\b(true|really)\b/i],
  ['creative_thinking', 'asked what if', /\b(what if)\b/i],
  ['creative_thinking', 'imagined something', /\b(imagine|pretend|make believe|dream(?:ed|t)? up|i would|i'd)\b/i],
  ['creative_thinking', 'thought of something to make', /\b(invent(?:ed|s)?|make up|made up|could (?:i|we) (?:build|make|draw|write))\b/i],
  ['logical_reasoning', 'gave a reason or drew a conclusion', /\b(because|so that|must be|therefore)\b/i],
  ['logical_reasoning', 'worked out what follows from an if', /\b(if\b.+\b(?:then|would|will))\b/i],
  ['logical_reasoning', 'counted or measured', /\b(how (?:many|much|far|long|old|big|fast|heavy)|count|number|more than|less than)\b/i],
]
/** What evidence is called when its words show no sign of their own. */
const WITHOUT_SIGN: Readonly<Record<Skill, string>> = {
  critical_thinking: 'questioned or compared something',
  creative_thinking: 'imagined or made up something',
  logical_reasoning: 'reasoned or counted',
  knowledge_connection: 'reached into another topic',
}

export interface Evidence {
  readonly skill: Skill
  readonly weight: number
}

/** What a turn says about each way of thinking: 1 in the child's own words, 0.25 by choice; reaching into another topic is a connection. */
export function evidenceOf(text: string, isOwnWords: boolean, crossesTopics: boolean): Evidence[] {
  const weight = isOwnWords ? OWN_WORDS_WEIGHT : CHOICE_WEIGHT
  const shown = SKILLS.filter((skill) => SIGNS.some(([of, , sign]) => of === skill && sign.test(text)))
  return [...shown, ...(crossesTopics ? ['knowledge_connection' as const] : [])].map((skill) => ({ skill, weight }))
}

/** What a turn showed of a way of thinking, in a parent's words: at least one, such as "asked why or how". */
export function signsOf(skill: Skill, text: string): string[] {
  const shown = SIGNS.filter(([of, , sign]) => of === skill && sign.test(text)).map(([, called]) => called)
  return shown.length > 0 ? shown : [WITHOUT_SIGN[skill]]
}

/** What evidence of so many days ago still weighs: half after 28 days, a quarter after 56. */
export const weightAfter = (days: number): number => 0.5 ** (Math.max(0, days) / HALF_LIFE_DAYS)

const exactScore = (sum: number): number => 100 * (1 - Math.exp(-sum / SCALE))

/** round(100 x (1 - exp(-sum / 40))), 0..100. */
export const growthScore = (sum: number): number => Math.round(exactScore(sum))

/** What the evidence of one local day weighed when it was given. */
export type EvidenceDay = readonly [skill: Skill, day: LocalDate, weight: number]

export interface Growth {
  readonly score: number
  /** Against the start of the period: `gained` and `faded` together. */
  readonly change: number
  /** What the evidence of the period has brought, 0 or more. */
  readonly gained: number
  /** What older evidence has lost in the period, 0 or less. */
  readonly faded: number
  /** What all evidence weighs now. */
  readonly sum: number
}

/** Each way of thinking on the local day `to`, and how it has moved since `from` began. */
export function growthOf(evidence: readonly EvidenceDay[], from: LocalDate, to: LocalDate): Record<Skill, Growth> {
  const [first, today] = [dayNumber(from), dayNumber(to)]
  return perSkill((skill) => {
    const sums = { before: 0, older: 0, sum: 0 }
    for (const [of, day, weight] of evidence) {
      if (of !== skill) continue
      const number = dayNumber(day)
      const weightNow = weight * weightAfter(today - number)
      sums.sum += weightNow
      if (number >= first) continue
      sums.older += weightNow
      sums.before += weight * weightAfter(first - number)
    }
    const [before, older, score] = [growthScore(sums.before), growthScore(sums.older), growthScore(sums.sum)]
    return { score, change: score - before, gained: score - older, faded: older - before, sum: sums.sum }
  })
}

export interface Share {
  readonly weightNow: number
  /** Its part of the score by weight: the points of all evidence together are the score before it is rounded. */
  readonly points: number
  /** The score if this evidence alone were dismissed. */
  readonly scoreWithout: number
}

/** What evidence of so many days ago makes of the score of a sum that it is part of. Of weight 0 when it is dismissed. */
export function shareOf(sum: number, weight: number, days: number): Share {
  const weightNow = weight * weightAfter(days)
  return { weightNow, points: sum > 0 ? (exactScore(sum) * weightNow) / sum : 0, scoreWithout: growthScore(Math.max(0, sum - weightNow)) }
}

/** Our formula in words, for the document. */
export const GROWTH_DESCRIPTION =
  "Each turn leaves evidence: 1 in the child's own words, 0.25 by choice. Why, how and comparing show critical_thinking; what if and imagining creative_thinking; because, if-then and counting " +
  'logical_reasoning; reaching into another topic knowledge_connection. Evidence halves every 28 days; score = round(100 x (1 - exp(-sum / 40))), `change` is against the start of the period. It tells how often a child ' +
  'tries a way of thinking here. It is not a diagnosis.'
