import { readFileSync } from 'node:fs'
import { parse } from 'yaml'
import { z } from 'zod'
import { isTimeZone } from '../platform/local-date.ts'

const Country = z.string().regex(/^[A-Z]{2}$/)
const Contacts = z.array(
  z.strictObject({
    countries: z.array(Country).min(1),
    zones: z.array(z.string().refine(isTimeZone, 'Unknown IANA time zone')).min(1),
    say: z.string().min(1),
  }),
)

/** The lines that children can call, by country. Throws when the file has faults. */
export const loadCrisisContacts = (): z.infer<typeof Contacts> =>
  Contacts.parse(parse(readFileSync(new URL('content/crisis-contacts.yaml', import.meta.url), 'utf8')))

/** A time zone has several names: "US/Eastern" is "America/New_York". */
const oneNameOf = (timeZone: string): string => new Intl.DateTimeFormat('en', { timeZone }).resolvedOptions().timeZone

/** The line that a child in a time zone can call, in words to be said to the child; empty where we know none. Throws when the file has faults. */
export function crisisContacts(): (timezone: string) => string {
  const named = loadCrisisContacts().flatMap(({ zones, say }) => zones.map((zone) => [zone, say] as const))
  const byName = new Map(named)
  const byOneName = new Map(named.map(([zone, say]) => [oneNameOf(zone), say]))
  return (timezone) => byName.get(timezone) ?? byOneName.get(oneNameOf(timezone)) ?? ''
}
