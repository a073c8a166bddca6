import { MAX_DEPTH } from '../content/curriculum.schema.ts'

/** Points needed for depth 1, 2, ... 10 of a conversation. */
export const DEPTH_THRESHOLDS = [1, 3, 6, 9, 11, 13, 15, 17, 19, 21] as const

/** What a child's turn was, as far as depth is concerned. */
export type TurnKind = 'choice' | 'on_topic_question' | 'off_topic'

/** A choice is worth 1 point, an on-topic question in the child's own words 2, anything else nothing. */
export function pointsOf(kind: TurnKind): number {
  if (kind === 'choice') return 1
  return kind === 'on_topic_question' ? 2 : 0
}

/** The largest depth whose threshold the points reach: 0 for none, at most 10. */
export function depthOf(points: number): number {
  const reached = DEPTH_THRESHOLDS.findIndex((threshold) => points < threshold)
  return reached === -1 ? MAX_DEPTH : reached
}
