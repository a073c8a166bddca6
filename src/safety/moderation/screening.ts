import type { Audience } from '../flags.ts'
import type { Category, Moderator } from './moderation.ts'

/** What is raised for a grown-up to look at. */
export interface Finding {
  readonly category: Category
  readonly severity: 'low' | 'medium' | 'high'
  readonly action: 'masked' | 'redirected' | 'crisis_script' | 'replaced'
  readonly audience: Audience
}

/** What a child hears instead of an answer. */
export type Aside = 'distress' | 'unkind' | 'private' | 'rules'

export interface Screened {
  /** The text as it may be kept and shown to a model: personal data is crossed out. */
  readonly text: string
  /** Undefined when the tutor may answer. */
  readonly aside: Aside | undefined
  readonly findings: readonly Finding[]
  /** Whether the family must not read it, nor what answers it. */
  readonly isWithheld: boolean
}

const ASIDES: Readonly<Record<Category, Aside>> = {
  distress: 'distress',
  sexual: 'unkind',
  violence: 'unkind',
  hate: 'unkind',
  bullying: 'unkind',
  personal_data: 'private',
  prompt_injection: 'rules',
}

const RAISED: Readonly<Record<Category, Pick<Finding, 'severity' | 'action'>>> = {
  distress: { severity: 'high', action: 'crisis_script' },
  sexual: { severity: 'medium', action: 'redirected' },
  violence: { severity: 'medium', action: 'redirected' },
  hate: { severity: 'medium', action: 'redirected' },
  bullying: { severity: 'low', action: 'redirected' },
  personal_data: { severity: 'low', action: 'masked' },
  prompt_injection: { severity: 'low', action: 'redirected' },
}

const DISCLOSURE: Finding = { category: 'distress', ...RAISED.distress, audience: 'safeguarding' }

/** Something found after the child's words were stored: in them, by a provider, or in a reply that was not said. */
export interface LateFinding extends Omit<Finding, 'category'> {
  readonly category: Category | 'conduct'
  readonly on: 'question' | 'reply'
}

/** Whether the family must not know of what a finding was made in. */
export const isDisclosure = ({ audience }: Pick<Finding, 'audience'>): boolean => audience === 'safeguarding'

const findingsOf = (categories: readonly Category[]): Finding[] => categories.map((category) => ({ category, ...RAISED[category], audience: 'family' }))

function asideFor([gravest]: readonly Category[]): Aside | undefined {
  return gravest && ASIDES[gravest]
}

/**
 * Looks at what a child says before it is kept or shown to any model. A disclosure that points at a caregiver gets the same
 * words of help, but is told to those who answer for child protection and to nobody in the family.
 */
export function screen(moderate: Moderator, said: string): Screened {
  const { categories, pointsAtCaregiver, text } = moderate(said)
  return {
    text,
    aside: asideFor(categories),
    findings: pointsAtCaregiver ? [DISCLOSURE] : findingsOf(categories),
    isWithheld: pointsAtCaregiver,
  }
}

/** What a provider has found in a child's words that our own rules let pass. `pointsAtCaregiver` counts where it is distress. */
export function foundLate(
  categories: readonly Category[],
  pointsAtCaregiver: boolean,
): { readonly aside: Aside | undefined; readonly findings: readonly LateFinding[] } {
  if (categories.includes('distress') && pointsAtCaregiver) return { aside: 'distress', findings: [{ ...DISCLOSURE, on: 'question' }] }
  return { aside: asideFor(categories), findings: findingsOf(categories).map((finding) => ({ ...finding, on: 'question' })) }
}

/** What was wrong with a reply that was cut off before it was said; nothing when it could not be judged. */
export const cutFromReply = (categories: readonly (Category | 'conduct')[]): LateFinding[] =>
  [...new Set(categories)].map((category) => ({ category, severity: 'low', action: 'replaced', audience: 'family', on: 'reply' }))
