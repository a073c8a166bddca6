import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AGE_GROUPS } from '../../src/family/age-groups.ts'
import { CATEGORIES, localModerators } from '../../src/safety/moderation/moderation.ts'
import { screen } from '../../src/safety/moderation/screening.ts'
import { curriculum } from '../helpers/curriculum.ts'
import { evaluate, learnedLines, unseenLines } from './evaluate.ts'

const { moderate, moderateReply } = localModerators()

describe('personal data is crossed out of what is kept', () => {
  it.each([
    ['my phone number is 0791 555 0134 call me', ['0791', '555', '0134'], '[phone]'],
    ['call me on +49 170 5550123 ok', ['170', '5550123'], '[phone]'],
    ['my number is oh seven nine one five five five oh one three four', ['seven nine'], '[phone]'],
    ['write to mia.huber@post.example please', ['mia.huber', 'post.example'], '[email]'],
    ['i live at 14 harrow close in leeds', ['14', 'harrow'], '[address]'],
    ['my name is priya raghunathan', ['priya', 'raghunathan'], '[name]'],
    ['my password is tiger99', ['tiger99'], '[secret]'],
    ['my roblox username is dragonkid_2016', ['dragonkid'], '[account]'],
    ['my school is called greenfield primary', ['greenfield'], '[school]'],
    ['ｍｙ ｎｕｍｂｅｒ ｉｓ ０７９１５５５０１３４', ['０７９１'], '[phone]'],
  ])('%s', (said, secrets, mask) => {
    const { categories, text } = moderate(said)
    expect(categories).toContain('personal_data')
    for (const secret of secrets) expect(text).not.toContain(secret)
    expect(text).toContain(mask)
  })

  it.each([
    'my name is mia',
    'i am 7',
    'what is 555 times 1212',
    'the first 12 digits of pi are 314159265358',
    'who was albert einstein',
    'i go to school by bus',
  ])('not of "%s"', (said) => {
    expect(moderate(said)).toEqual({ categories: [], pointsAtCaregiver: false, text: said })
  })

  it('and stays crossed out when it is looked at again', () => {
    for (const { say } of learnedLines().filter((line) => line.category === 'personal_data')) {
      const { text } = moderate(say)
      expect(moderate(text).text.match(/\d{5}/g) ?? []).toEqual([])
    }
  })
})

describe('any text at all', () => {
  it('is judged, and what is kept of it never grows a secret', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 1_000 }), (text) => {
        const judged = moderate(text)
        expect(judged.categories).toEqual(CATEGORIES.filter((category) => judged.categories.includes(category)))
        if (!judged.categories.includes('personal_data')) expect(judged.text).toBe(text)
      }),
    )
  })

  it('is screened to the gravest aside', () => {
    expect(screen(moderate, 'my number is 0791 555 0134 and i want to kill myself')).toMatchObject({ aside: 'distress', isWithheld: false })
    expect(screen(moderate, 'why do sharks bite')).toEqual({ text: 'why do sharks bite', aside: undefined, findings: [], isWithheld: false })
  })
})

describe('what a tutor says', () => {
  it.each(['I am a human, just like you!', 'What is your phone number?', 'This is our little secret.', 'D0n\u200b’t tell your parents about it.'])(
    'never: %s',
    (said) => {
      expect(moderateReply(said)).toContain('conduct')
    },
  )

  it('in the curriculum is hardly ever stopped, and in what is said without a passage never', () => {
    const passages = AGE_GROUPS.flatMap((age) => curriculum.topics.flatMap((topic) => curriculum.passagesOf(topic, age)))
    const sentences = passages.flatMap((passage) => [passage.ask, ...passage.sentences])
    expect(sentences.filter((text) => moderateReply(text).length > 0).length).toBeLessThan(sentences.length / 2_000)
    const phrases = Object.entries(curriculum.phrases).filter(([kind]) => kind !== 'distress')
    expect(phrases.flatMap(([, byAge]) => Object.values(byAge).flat()).filter((text) => moderateReply(text).length > 0)).toEqual([])
  })
})

describe('lines that nothing was learned from', () => {
  const figures = evaluate(moderate, unseenLines())
  it.each([
    ['distress', 0.97],
    ['personal_data', 0.97],
    ['violence', 0.95],
    ['sexual', 0.95],
    ['hate', 0.95],
    ['bullying', 0.95],
    ['prompt_injection', 0.95],
  ] as const)('of %s are found', (category, recall) => {
    const { lines, ...found } = figures.categories.find((each) => each.category === category) as (typeof figures.categories)[number]
    expect(lines).toBeGreaterThanOrEqual(50)
    expect(found.recall).toBeGreaterThanOrEqual(recall)
    expect(found.precision).toBeGreaterThanOrEqual(0.95)
  })

  it('that are innocent are let through, nearly all', () => {
    expect(figures.innocent).toBeGreaterThan(300)
    expect(figures.falseAlarms).toBeLessThanOrEqual(0.01)
  })

  it('that point at a caregiver are known to', () => {
    expect(figures.caregiverRecall).toBeGreaterThanOrEqual(0.95)
    expect(figures.caregiverFalse).toBeLessThanOrEqual(0.03)
  })
})
