import { deserialize, serialize } from 'node:v8'
import { expect, it } from 'vitest'
import { learnPassages } from '../../src/learning/tutor/retrieval.ts'
import { type Terms, termsWith } from '../../src/learning/tutor/terms.ts'
import { loadWordVectors } from '../../src/learning/tutor/word-vectors.ts'
import { curriculum } from '../helpers/curriculum.ts'

it('what is learned of the passages is the same when it has been kept and read again, and goes on from there', () => {
  const vectors = loadWordVectors()
  const terms = termsWith(curriculum.synonyms, vectors.rowOf)
  const learn = (into: Terms, text: string) => into.learn(text, () => {})
  for (const topic of curriculum.topics)
    for (const passage of curriculum.passagesOf(topic, 'mind_masters')) for (const text of [passage.ask, ...passage.questions]) learn(terms, text)
  const again = termsWith(curriculum.synonyms, vectors.rowOf, deserialize(serialize(terms.keep())))
  for (const one of [terms, again]) learn(one, 'How does a zyzzyva swim?')

  expect(again.size()).toBe(terms.size())
  expect([...again.learned()]).toEqual([...terms.learned()])
  for (const plain of terms.learned()) expect(again.find(plain)).toEqual(terms.find(plain))
  for (let number = 0; number < terms.size(); number += 1) {
    expect([again.rowOf(number), again.isLight(number)]).toEqual([terms.rowOf(number), terms.isLight(number)])
  }
  expect(again.read('Zyzzyvas and whales')).toEqual(terms.read('Zyzzyvas and whales'))
  expect(again.find('zyzzyva')?.number).toBeGreaterThan(1000)
})

it('learning all passages is a matter of content alone: twice gives the same', () => {
  const vectors = loadWordVectors()
  expect(learnPassages(curriculum, vectors)).toEqual(learnPassages(curriculum, vectors))
})
