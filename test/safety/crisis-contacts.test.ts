import { describe, expect, it } from 'vitest'
import { isTimeZone } from '../../src/platform/local-date.ts'
import { crisisContacts, loadCrisisContacts } from '../../src/safety/crisis-contacts.ts'

const contactIn = crisisContacts()
const contacts = loadCrisisContacts()

/** The time zones of a country, as this runtime knows them. */
function zonesOf(country: string): string[] {
  const locale = new Intl.Locale(`und-${country}`) as Intl.Locale & { timeZones?: string[]; getTimeZones?: () => string[] }
  return locale.getTimeZones?.() ?? locale.timeZones ?? []
}

describe('the line that a child in distress is told of', () => {
  it.each([
    ['Europe/London', '0800 1111'],
    ['Europe/Dublin', '1800 66 66 66'],
    ['America/New_York', '988'],
    ['America/Toronto', '988'],
    ['Australia/Sydney', '1800 55 1800'],
    ['Asia/Kolkata', '1098'],
    ['Europe/Berlin', '116 111'],
    ['Europe/Amsterdam', '116 111'],
    // These have lines of their own; in France and Italy 116 111 leads to nobody.
    ['Europe/Paris', '119'],
    ['Europe/Rome', '19696'],
    ['Europe/Vienna', '147'],
    ['Europe/Brussels', '102 in Dutch or 103 in French'],
  ])('in %s is %s', (zone, line) => {
    expect(contactIn(zone)).toMatch(new RegExp(`^You can also call (?:[a-zA-Z ]+ )?${line}\\. (?:It is|Both are) free\\.$`))
  })

  it('is that of its country in every time zone of it', () => {
    const countries = contacts.flatMap((contact) => contact.countries.map((country) => ({ country, say: contact.say })))
    expect(new Set(countries.map(({ country }) => country)).size).toBe(countries.length)
    for (const { country, say } of countries) {
      expect(zonesOf(country).length, country).toBeGreaterThan(0)
      for (const zone of zonesOf(country)) expect([zone, contactIn(zone)]).toEqual([zone, say])
    }
    const names = contacts.flatMap((contact) => [...contact.zones, ...contact.aliases])
    expect(new Set(names).size).toBe(names.length)
    expect(names.filter((name) => !isTimeZone(name))).toEqual([])
  })

  it.each([
    ['US/Eastern', 'America/New_York'],
    ['america/new_york', 'America/New_York'],
    ['America/Indiana/Indianapolis', 'America/Chicago'],
    ['Canada/Pacific', 'America/Vancouver'],
    ['GB', 'Europe/London'],
    ['Asia/Calcutta', 'Asia/Kolkata'],
    ['Australia/ACT', 'Australia/Sydney'],
  ])('in %s is that of %s', (zone, same) => {
    expect(contactIn(zone)).toBe(contactIn(same))
    expect(contactIn(zone)).not.toBe('')
  })

  it.each(['UTC', 'Etc/GMT+5', 'CET', 'EET', 'Pacific/Apia'])('in %s is none: a wrong number is worse', (zone) => {
    expect(contactIn(zone)).toBe('')
  })
})
