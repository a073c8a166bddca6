import type { AgeGroup } from '../../src/family/age-groups.ts'
import { sentenceLengths } from '../../src/learning/content/readability.ts'

/** Words a sentence: on average, and at most. */
export const LIMITS = { wonder_cubs: [8, 12], curious_explorers: [12, 18], mind_masters: [16, 24] } as const

/** What is wrong with a text for readers of an age, in words; nothing when it reads with ease. */
export function tooHard(text: string, ageGroup: AgeGroup): string[] {
  const [average, longest] = LIMITS[ageGroup]
  const lengths = sentenceLengths(text)
  const mean = lengths.reduce((sum, length) => sum + length, 0) / lengths.length
  return [...(mean > average ? [`average ${mean.toFixed(1)}`] : []), ...(Math.max(...lengths) > longest ? [`longest ${Math.max(...lengths)}`] : [])]
}
