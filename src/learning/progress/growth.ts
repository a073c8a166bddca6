/** Ways of thinking that a parent sees grow. Never a diagnosis. */
export const SKILLS = ['critical_thinking', 'creative_thinking', 'logical_reasoning', 'knowledge_connection'] as const
export type Skill = (typeof SKILLS)[number]

const OWN_WORDS_WEIGHT = 1
const CHOICE_WEIGHT = 0.25
/** Evidence counts half after so many days. */
const HALF_LIFE_DAYS = 28
/** The sum of evidence at which a score has come 63 % of its way. */
const SCALE = 40
/** Older evidence weighs less than a ten-thousandth. */
export const EVIDENCE_DAYS = 14 * HALF_LIFE_DAYS

const SIGNS: readonly (readonly [Skill, RegExp])[] = [
  [
    'critical_thinking',
    /\b(why|how come|how (?:do|does|did|is|are|can|could|would|will)|compare[ds]?|difference|different|better|best|worse|true|really|same as)\b/i,
  ],
  [
    'creative_thinking',
    /\b(what if|imagine|pretend|invent(?:ed|s)?|make up|made up|make believe|dream(?:ed|t)? up|could (?:i|we) (?:build|make|draw|write)|i would|i'd)\b/i,
  ],
  [
    'logical_reasoning',
    /\b(because|so that|if\b.+\b(?:then|would|will)|how (?:many|much|far|long|old|big|fast|heavy)|count|number|more than|less than|must be|therefore)\b/i,
  ],
]

export interface Evidence {
  readonly skill: Skill
  readonly weight: number
}

/** What a turn says about each way of thinking: 1 in the child's own words, 0.25 by choice; reaching into another topic is a connection. */
export function evidenceOf(text: string, isOwnWords: boolean, crossesTopics: boolean): Evidence[] {
  const weight = isOwnWords ? OWN_WORDS_WEIGHT : CHOICE_WEIGHT
  const shown = SIGNS.filter(([, sign]) => sign.test(text)).map(([skill]) => skill)
  return [...shown, ...(crossesTopics ? ['knowledge_connection' as const] : [])].map((skill) => ({ skill, weight }))
}

/** What evidence of so many days ago still weighs: half after 28 days, a quarter after 56. */
export const weightAfter = (days: number): number => 0.5 ** (Math.max(0, days) / HALF_LIFE_DAYS)

/** round(100 x (1 - exp(-sum / 40))), 0..100. */
export const growthScore = (sum: number): number => Math.round(100 * (1 - Math.exp(-sum / SCALE)))

/** Our formula in words, for the document. */
export const GROWTH_DESCRIPTION =
  "Each turn leaves evidence: 1 in the child's own words, 0.25 by choice. Why, how and comparing show critical_thinking; what if and imagining creative_thinking; because, if-then and counting " +
  'logical_reasoning; reaching into another topic knowledge_connection. Evidence halves every 28 days; score = round(100 x (1 - exp(-sum / 40))), `change` is against the start of the period. It tells how often a child ' +
  'tries a way of thinking here. It is not a diagnosis.'
