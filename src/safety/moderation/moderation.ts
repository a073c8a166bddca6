import { loadClassifier } from './classifier.ts'
import { apart, fold } from './folding.ts'
import { loadLexicon } from './lexicon.ts'
import { personalData, withoutPersonalData } from './personal-data/personal-data.ts'

/** Gravest first. */
export const CATEGORIES = ['distress', 'sexual', 'violence', 'hate', 'bullying', 'personal_data', 'prompt_injection'] as const
export type Category = (typeof CATEGORIES)[number]

/** What was found in a text. */
export interface Moderated {
  /** Gravest first; empty for an innocent text. */
  readonly categories: readonly Category[]
  /** Set where a distress points at a parent or another caregiver. */
  readonly pointsAtCaregiver: boolean
  /** The text as it may be kept and passed on: personal data is crossed out. */
  readonly text: string
}

/** Judges a text on this machine alone. Takes time in proportion to its length. */
export type Moderator = (text: string) => Moderated

/** What has the form of personal data is none when the classifier is so sure, in log-odds: the address of a president, a phone number in a sum. */
const SURE_INNOCENCE = 4

/** The local rules: words that are never innocent, personal data by its form, and a classifier for whole sentences. */
export function localModerator(): Moderator {
  const lexicon = loadLexicon()
  const classifier = loadClassifier()
  return (text) => {
    const folded = fold(text)
    const words = lexicon(apart(folded, classifier.isCommon))
    const scores = classifier.scores(folded)
    const personal = personalData(text, folded, classifier.isCommon)
    const isPersonal = personal !== undefined && scores.personal_data > -SURE_INNOCENCE
    const has = (category: Category) => words.has(category) || scores[category] > 0 || (category === 'personal_data' && isPersonal)
    const categories = CATEGORIES.filter(has)
    return {
      categories,
      pointsAtCaregiver: categories.includes('distress') && scores.caregiver > 0,
      text: categories.includes('personal_data') ? withoutPersonalData(text, personal, classifier.isCommon) : text,
    }
  }
}
