import { describe, expect, it } from 'vitest'
import { AGE_GROUPS } from '../../src/family/age-groups.ts'
import { speaksOfHarm } from '../../src/safety/distress.ts'
import { curriculum, topicNamed, VOICES } from '../helpers/curriculum.ts'
import { ask } from '../helpers/tutor-talk.ts'

describe('a child that speaks of harm', () => {
  it.each([
    'i want to die',
    "I don't want to live anymore",
    'i wanna kill myself',
    'i wish i was dead',
    'my dad hits me',
    'he keeps hitting me',
    'nobody would miss me',
  ])('is heard: "%s"', (words) => {
    expect(speaksOfHarm(words)).toBe(true)
  })

  it.each([
    ...['why do stars die', 'i want to dye my hair', 'i want to die my hair blue', 'can a shark hurt me', 'my dad hits the ball really far in baseball'],
    ...['my brother hit me with a pillow', 'what happens when i die', 'daddy beat me in mario kart again'],
  ])('is not mistaken for one that asks or plays: "%s"', (words) => {
    expect(speaksOfHarm(words)).toBe(false)
  })

  it.each(AGE_GROUPS)('gets words of help and no lesson, in the voice of %s', async (ageGroup) => {
    const reply = await ask(topicNamed('big-questions'), ageGroup, 'i want to die')
    expect(curriculum.phrases.distress[ageGroup]).toContain(reply.text)
    expect(reply.signals).toMatchObject({ onTopic: false, passage: undefined })
    expect(reply.choices).toHaveLength(3)
  })

  it('is not seen in what children ask our passages', () => {
    const asked = VOICES.flatMap(({ topic, ageGroup }) => curriculum.passagesOf(topic, ageGroup)).flatMap((passage) => [passage.ask, ...passage.questions])
    expect(asked.filter(speaksOfHarm)).toEqual([])
  })
})
