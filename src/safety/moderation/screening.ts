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
export type Aside = 'distress' | 'unkind' | 'private'

export interface Screened {
  /** The text as it may be kept and shown to a model: personal data is crossed out. */
  readonly text: string
  /** Undefined when the tutor may answer. */
  readonly aside: Aside | undefined
  readonly findings: readonly Finding[]
  /** Whether the family must not read it, nor what answers it. */
  readonly isWithheld: boolean
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

const asideFor = (gravest: Category | undefined): Aside | undefined => {
  if (gravest === undefined) return undefined
  return gravest === 'distress' ? 'distress' : gravest === 'personal_data' ? 'private' : 'unkind'
}

/**
 * Looks at what a child says before it is kept or shown to any model. A disclosure that points at a caregiver gets the same
 * words of help, but is told to those who answer for child protection and to nobody in the family.
 */
export function screen(moderate: Moderator, said: string): Screened {
  const { categories, pointsAtCaregiver, text } = moderate(said)
  const raised = categories.map((category): Finding => ({ category, ...RAISED[category], audience: 'family' }))
  return {
    text,
    aside: asideFor(categories[0]),
    findings: pointsAtCaregiver ? [{ category: 'distress', ...RAISED.distress, audience: 'safeguarding' }] : raised,
    isWithheld: pointsAtCaregiver,
  }
}
