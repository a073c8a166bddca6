import type { LocalDate } from '../platform/local-date.ts'

export const AGE_GROUPS = ['wonder_cubs', 'curious_explorers', 'mind_masters'] as const
export type AgeGroup = (typeof AGE_GROUPS)[number]

export const YOUNGEST = 4
export const OLDEST = 12

/** Whole years on a day; somebody born on 29 February turns a year older on 1 March of a common year. */
export function ageOn(today: LocalDate, birthDate: LocalDate): number {
  const years = Number(today.slice(0, 4)) - Number(birthDate.slice(0, 4))
  return today.slice(5) >= birthDate.slice(5) ? years : years - 1
}

/** The voice for an age: 4-6, 7-9, 10 and older; a child too young by now (a corrected birth date) hears the youngest. */
export function ageGroupOf(age: number): AgeGroup {
  if (age >= 10) return 'mind_masters'
  return age >= 7 ? 'curious_explorers' : 'wonder_cubs'
}
