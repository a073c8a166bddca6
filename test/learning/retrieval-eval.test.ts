import { describe, expect, it } from 'vitest'
import { AGE_GROUPS } from '../../src/family/age-groups.ts'
import { curriculum } from '../helpers/curriculum.ts'
import { retrieval } from '../helpers/tutor-talk.ts'
import { ANSWERABLE, evaluate, isHeldOut, keyOf, UNANSWERABLE } from './retrieval/evaluate.ts'

const held = ANSWERABLE.filter((_question, index) => isHeldOut(index))
const tuned = ANSWERABLE.filter((_question, index) => !isHeldOut(index))

describe('the labelled questions', () => {
  it('are 300 at least, ten or more for each topic, in every age group, and 100 that nobody answers', () => {
    expect(ANSWERABLE.length).toBeGreaterThanOrEqual(300)
    expect(UNANSWERABLE.length).toBeGreaterThanOrEqual(100)
    for (const { slug } of curriculum.topics) {
      const asked = ANSWERABLE.filter((question) => question.topic === slug)
      expect(asked.length, slug).toBeGreaterThanOrEqual(10)
      expect(new Set(asked.map((question) => question.age)), slug).toEqual(new Set(AGE_GROUPS))
    }
    expect(UNANSWERABLE.filter((question) => question.answers.length > 0)).toEqual([])
  })

  it('name passages that exist, and are no questions that a passage lists word by word', () => {
    const listed = new Set(
      AGE_GROUPS.flatMap((age) => curriculum.topics.flatMap((topic) => curriculum.passagesOf(topic, age)).flatMap((passage) => passage.questions)),
    )
    for (const { topic, age, ask, answers } of ANSWERABLE) {
      expect(answers.length, ask).toBeGreaterThan(0)
      for (const answer of answers) expect(curriculum.passage(keyOf(answer, topic, age)), `${ask}: ${answer}`).toBeDefined()
    }
    expect(ANSWERABLE.filter(({ ask }) => listed.has(ask)).length).toBeLessThan(ANSWERABLE.length * 0.05)
  })

  it.each([
    ['tuned on', tuned],
    ['held out', held],
  ])('that were %s find the right passage first for 85 of 100, and within three for 95', (_which, questions) => {
    const { first, firstThree } = evaluate(curriculum, retrieval, questions)
    expect(first).toBeGreaterThanOrEqual(0.85)
    expect(firstThree).toBeGreaterThanOrEqual(0.95)
  })

  it('are answered for 9 in 10, rightly for 8 in 10', () => {
    const { answered, unknown } = evaluate(curriculum, retrieval, ANSWERABLE)
    expect(unknown).toBeLessThanOrEqual(0.1)
    expect(answered).toBeGreaterThanOrEqual(0.8)
  })

  it('that nobody answers get an honest "I do not know that yet" for 9 in 10', () => {
    expect(evaluate(curriculum, retrieval, UNANSWERABLE).unknown).toBeGreaterThanOrEqual(0.9)
    expect(
      evaluate(
        curriculum,
        retrieval,
        UNANSWERABLE.filter((_question, index) => isHeldOut(index)),
      ).unknown,
    ).toBeGreaterThanOrEqual(0.9)
  })
})
