import { readFileSync } from 'node:fs'
import { parse } from 'yaml'
import { z } from 'zod'

const Contacts = z.array(
  z.strictObject({
    countries: z.array(z.string().regex(/^[A-Z]{2}$/)).min(1),
    zones: z.array(z.string().min(1)).min(1),
    aliases: z.array(z.string().min(1)).default([]),
    say: z.string().min(1),
  }),
)

/** The lines that children can call, by country. Throws when the file has faults. */
export const loadCrisisContacts = (): z.infer<typeof Contacts> =>
  Contacts.parse(parse(readFileSync(new URL('content/crisis-contacts.yaml', import.meta.url), 'utf8')))

/** The line that a child in a time zone can call, in words to be said to the child; empty where we know none. Throws when the file has faults. */
export function crisisContacts(): (timezone: string) => string {
  const byName = new Map(loadCrisisContacts().flatMap(({ zones, aliases, say }) => [...zones, ...aliases].map((zone) => [zone.toLowerCase(), say] as const)))
  return (timezone) => byName.get(timezone.toLowerCase()) ?? ''
}
