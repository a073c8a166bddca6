import { setImmediate as nextTurn } from 'node:timers/promises'
import { loadClassifier } from './classifier.ts'
import { apart, type Folded, fold } from './folding.ts'
import { loadLexicon } from './lexicon.ts'
import { personalData, withoutPersonalData } from './personal-data/personal-data.ts'

/** Gravest first. */
export const CATEGORIES = ['distress', 'sexual', 'violence', 'hate', 'bullying', 'personal_data', 'prompt_injection'] as const
export type Category = (typeof CATEGORIES)[number]

/** Sorts what was found, gravest first, each once. */
export const gravestFirst = (found: readonly Category[]): Category[] => CATEGORIES.filter((category) => found.includes(category))

/** What was found in a text. */
export interface Moderated {
  /** Gravest first; empty for an innocent text. */
  readonly categories: readonly Category[]
  /** Set where a distress points at a parent or another caregiver. */
  readonly pointsAtCaregiver: boolean
  /** The text as it may be kept and passed on: personal data is crossed out. */
  readonly text: string
}

/** Judges what a child says, on this machine alone. Takes time in proportion to its length. */
export type Moderator = (text: string) => Moderated

/** Judges what is to be said to a child; gravest first, empty when nothing is wrong. */
export type ReplyModerator = (text: string) => readonly (Category | 'conduct')[]

/** What has the form of personal data is none when the classifier is so sure, in log-odds: the address of a president, a phone number in a sum. */
const SURE_INNOCENCE = 4

/** A few words that nobody knows are names or nonsense; without anything else the classifier must be so sure of names. */
const SURE_NAMES = 2
const FEW_WORDS = 4
const isGibberish = ({ words, line }: Folded, isCommon: (single: string) => boolean): boolean =>
  words.length <= FEW_WORDS && !/\d/.test(line) && !line.trim().split(' ').some(isCommon)

/** A pattern is compiled when it is first used, to machine code when it is used again, and anew for letters beyond Latin-1. */
const NOBODY_SAID = ['Planets go round (at) the sun 1 2 3', 'Planets go round (at) the sun 1 2 3', 'почему']

export interface LocalModerators {
  readonly moderate: Moderator
  readonly moderateReply: ReplyModerator
  /** Whether a text, if it tells of distress, points at a parent or another caregiver. */
  readonly pointsAtCaregiver: (text: string) => boolean
  /** Compiles every pattern, in parts between which the event loop is free: the first turn would wait some 200 ms for that. */
  prepare(): Promise<void>
}

/** The local rules: words that are never innocent, personal data by its form, and a classifier for whole sentences. */
export function localModerators(): LocalModerators {
  const lexicon = loadLexicon()
  const classifier = loadClassifier()
  const judge = (text: string, folded: Folded): Moderated => {
    const taken = apart(folded, classifier.isCommon)
    const words = lexicon.inWordsOfChild(taken)
    const scores = classifier.scores(taken)
    const personal = personalData(text, folded, classifier.isCommon)
    const isPersonal = personal ? scores.personal_data > -SURE_INNOCENCE : scores.personal_data > (isGibberish(folded, classifier.isCommon) ? SURE_NAMES : 0)
    const has = (category: Category) => (category === 'personal_data' ? isPersonal : words.has(category) || scores[category] > 0)
    const categories = CATEGORIES.filter(has)
    return {
      categories,
      pointsAtCaregiver: categories.includes('distress') && scores.caregiver > 0,
      text: categories.includes('personal_data') ? withoutPersonalData(text, personal, classifier.isCommon) : text,
    }
  }
  const moderate: Moderator = (text) => judge(text, fold(text))
  const moderateReply: ReplyModerator = (text) => {
    const folded = fold(text)
    return [...judge(text, folded).categories, ...(lexicon.inWordsOfTutor(folded) ? (['conduct'] as const) : [])]
  }
  return {
    moderate,
    moderateReply,
    pointsAtCaregiver: (text) => classifier.scores(apart(fold(text), classifier.isCommon)).caregiver > 0,
    async prepare() {
      for (const text of NOBODY_SAID) {
        await nextTurn()
        moderateReply(text)
      }
    },
  }
}
