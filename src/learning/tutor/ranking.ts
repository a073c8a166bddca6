import type { Heard } from './hearing.ts'
import type { Agreement } from './passage-index.ts'

// The weights are fitted to the labelled questions in test/learning/retrieval, the third that is held out left aside: the
// rank by softmax regression over all passages, the assurance by logistic regression over the best one. Of the questions
// that nobody answers, some are written so, and some have had their answers taken away.

/** Nearness of a passage to the talk: of the topic at hand, of one next to it, or of another. */
export type Nearness = 'at_hand' | 'next_door' | 'far'

const NEAR: Readonly<Record<Nearness, number>> = { at_hand: 3.3, next_door: 0.3, far: 0 }

/** Orders passages: the higher, the likelier the answer. Only comparable within a question. */
export const rankOf = ({ question, whole, likeness, coverage }: Agreement, nearness: Nearness): number =>
  4.5 * question +
  4.9 * whole +
  6.1 * likeness +
  5.2 * coverage +
  1.4 * question * coverage +
  1.6 * likeness * coverage +
  2.1 * whole * likeness +
  NEAR[nearness]

/** The log-odds that a passage answers at all. Comparable between questions. */
export function assuranceOf({ question, whole, likeness, coverage }: Agreement, nearness: Nearness, heard: readonly Heard[], text: string): number {
  const telling = heard.filter((one) => one.word.kind === 'telling').length
  return (
    0.15 * question +
    0.65 * whole +
    5.1 * likeness +
    2.6 * coverage +
    1.3 * question * coverage +
    2.2 * likeness * coverage +
    2.3 * whole * likeness +
    4 * Math.log(1 + telling) +
    (nearness === 'at_hand' ? 2.5 : 0) -
    (isOfHereAndNow(text) ? 3.1 : 0) -
    13.7
  )
}

/** From these log-odds on the tutor answers; below it says honestly that it does not know. */
export const ASSURED = -0.25

/** One word again and again. */
export const isBabble = (heard: readonly Heard[]): boolean => {
  const telling = heard.filter((one) => one.word.kind === 'telling').map((one) => one.word.plain)
  return telling.length > 2 && new Set(telling).size === 1
}

const HERE_AND_NOW = [
  /\b(today|tonight|tomorrow|yesterday|right now|(mon|tues|wednes|thurs|fri|satur|sun)day|o'?clock)\b/i,
  /\bwh(ere|en|at|ich)('?s| is| are| does| do| did| was)? (my|our)\b/i,
  /^\W*(please )?(can|could|will|would|do) (you|u) (call|do|see|come|play|give|get|buy|order|bring|open|find|like|love|hear|tickle|sing|draw|write|fix|turn|help) (me|my|the|mom|mum|dad|grandma|grandpa|a|an|it|this|that)\b/i,
  /\bwhat (time|day) is it\b/i,
]

/** Whether a text asks about this very day or this very child's things, or asks the tutor to do something: rarely answered by what was written before. */
const isOfHereAndNow = (text: string): boolean => HERE_AND_NOW.some((pattern) => pattern.test(text))
