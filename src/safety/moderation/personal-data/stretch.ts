/** What would find a child or a relative. */
export type PersonalKind = 'phone' | 'email' | 'address' | 'full_name' | 'school' | 'secret' | 'account'

/** A stretch of a text, `end` past its last place. */
export interface Stretch {
  readonly kind: PersonalKind
  readonly start: number
  readonly end: number
}
