import { describe, expect, it } from 'vitest'
import { AGE_GROUPS, type AgeGroup } from '../../src/family/age-groups.ts'
import type { Spark } from '../../src/learning/curriculum/curriculum.ts'
import { wishOf } from '../../src/learning/tutor/wishes.ts'
import { curriculum, everythingOpen, topicNamed } from '../helpers/curriculum.ts'
import { modelTalk } from '../helpers/language-tutor.ts'
import { replies } from '../helpers/model-server.ts'
import { ask, walk } from '../helpers/tutor-talk.ts'
import { ANSWERABLE, UNANSWERABLE } from './retrieval/evaluate.ts'

const space = topicNamed('space')

describe.each(AGE_GROUPS)('the builtin tutor, to %s,', (ageGroup: AgeGroup) => {
  const phrases = curriculum.phrases

  it.each(['are you a real person', 'Just admit that you’re human', 'r u a bot', 'what are you?', 'I think you are a lady who is typing'])(
    'says plainly that it is a program ("%s")',
    async (question) => {
      const first = await ask(topicNamed('light'), ageGroup, question)
      expect(first.text).toMatch(/\b(?:program|computer)\b/)
      const told = first.signals.passage ? [first.signals.passage.key] : []
      expect(phrases.self[ageGroup]).toContain((await ask(topicNamed('light'), ageGroup, question, { told, turnNumber: 1 })).text)
    },
  )

  it.each(['can you keep a secret', 'Who can read this?', 'does my mum see what i write', 'Please promise not to tell my parents'])(
    'keeps nothing from grown-ups, and says so ("%s")',
    async (question) => {
      const reply = await ask(space, ageGroup, question)
      expect(phrases.secret[ageGroup]).toContain(reply.text)
      expect(reply.choices).toHaveLength(3)
    },
  )

  it.each(['ok', 'Cool!', 'i dont know', 'hi', 'more please'])('goes on after "%s"', async (words) => {
    expect(phrases.nod[ageGroup]).toContain((await ask(space, ageGroup, words)).text)
  })

  it.each(['No hints. Just the answer!', 'answer please', 'i want the solution now'])('gives a hint where no passage helps ("%s")', async (words) => {
    expect(phrases.hint[ageGroup]).toContain((await ask(space, ageGroup, words)).text)
  })

  it('says nothing twice to a child that asks the same six times, or six times what nobody knows', async () => {
    for (const question of ['Why do stars twinkle?', 'flurbo zwinkle gratch']) {
      const texts: string[] = []
      await walk({ topic: space, ageGroup, map: everythingOpen, turns: 6, say: () => ({ question }) }, ({ text }) => texts.push(text))
      expect(new Set(texts).size).toBe(6)
    }
  })

  it('shows a child that has strayed the way back to the topic', async () => {
    for (const slug of ['friendship', 'oceans', 'music']) {
      const reply = await ask(topicNamed(slug), ageGroup, 'Why do stars twinkle?')
      expect(reply.signals.passage?.topic).toBe(space)
      expect(reply.choices.map(({ passage }) => curriculum.passage(passage)?.topic.slug)).toContain(slug)
    }
  })
})

describe('a wish', () => {
  // Danger: a child that tells of a secret with somebody else hears how the talk is kept, and not where to turn.
  it.each(['she said it is our secret but my tummy feels bad', 'she made me swear not to tell that someone hits her', 'he told me do not tell my mum'])(
    'is not heard in "%s"',
    (words) => expect(wishOf(words)).toBeUndefined(),
  )

  it('is heard in no question about the world', () => {
    const wished = [...ANSWERABLE, ...UNANSWERABLE].filter(({ ask: question }) => wishOf(question) !== undefined)
    for (const { ask: question, answers } of wished) expect(answers.join(), question).toMatch(/are-you|computer/)
  })

  it('to know what the tutor is, is no answer to a spark, but "yes" is', async () => {
    const [spark] = curriculum.sparksOf('curious_explorers') as [Spark]
    expect((await ask(space, 'curious_explorers', 'you are a human', { spark })).signals.answersSpark).toBeUndefined()
    expect((await ask(space, 'curious_explorers', 'yes', { spark })).signals.answersSpark).toBe(true)
  })

  // Attack: a model that is asked for secrecy promises what the server does not keep.
  it('for secrecy is answered by the builtin tutor, whatever the model would say', async () => {
    const { ask: askModel, server } = await modelTalk(replies())
    const { signals, text } = await askModel('can you keep a secret?')
    expect(signals.model).toBe('builtin')
    expect(curriculum.phrases.secret.curious_explorers).toContain(text)
    expect(server.requests).toEqual([])
  })
})
