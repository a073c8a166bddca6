import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { LONGEST_SENTENCE, sentenceSplitter } from '../../src/learning/tutor/language-model/sentences.ts'
import { curriculum, VOICES } from '../helpers/curriculum.ts'

/** What comes out of a text that comes in pieces. */
function split(pieces: readonly string[], wasCut = false): string[] {
  const splitter = sentenceSplitter()
  return [...pieces.flatMap((piece) => splitter.push(piece)), ...splitter.end(wasCut)]
}

/** A text and a way of cutting it into pieces, also within characters. */
const anyPieces = (text: fc.Arbitrary<string>) =>
  fc.tuple(text, fc.array(fc.integer({ min: 1, max: 40 }))).map(([whole, lengths]) => {
    const pieces: string[] = []
    let rest = whole
    for (const length of lengths) {
      pieces.push(rest.slice(0, length))
      rest = rest.slice(length)
    }
    return { whole, pieces: [...pieces, rest] }
  })

const anyWords = fc
  .array(
    fc.oneof(
      fc.constantFrom('Stars', 'are', 'hot', 'Dr.', 'e.g.', 'J.', '3.5', '1,000', '"Wow!"', '“Look”', '(yes)', '🌟', '🧑‍🚀', 'é', '小明', '...', 'p.m.'),
      fc.constantFrom('.', '! ', '? ', '. ', ', ', ': ', '\n', ' ', '…', '." '),
      fc.string({ maxLength: 6, unit: 'grapheme' }),
    ),
    { maxLength: 120 },
  )
  .map((words) => words.join(' '))

describe('a text taken apart while it arrives', () => {
  it('loses nothing, and comes apart the same way however it was cut', () => {
    fc.assert(
      fc.property(anyPieces(anyWords), ({ whole, pieces }) => {
        const sentences = split(pieces)
        expect(sentences.join('')).toBe(whole)
        expect(sentences).toEqual(split([...whole]))
        for (const sentence of sentences) expect(sentence.length).toBeLessThanOrEqual(LONGEST_SENTENCE)
      }),
      { numRuns: 300 },
    )
  })

  it.each([
    ['plain sentences', ['Stars are hot. ', 'They shine! ', 'Do you see one?']],
    ['decimals and numbers', ['Light takes 1.3 seconds to the Moon. ', 'That is 384,400 km!']],
    ['titles and initials', ['Dr. Mae Jemison flew in 1992. ', 'J. K. and Mrs. Lee waved.']],
    ['Latin', ['Some planets, e.g. Saturn, have rings. ', 'Saturn has many.']],
    ['quotes that end a sentence', ['“Look up!” ', 'She pointed at the sky.']],
    ['quotes that do not', ['"Wow!" said the owl. ', 'It flew off.']],
    ['an ellipsis', ['Wait... ', 'What was that?']],
    ['an emoji, which goes with what follows', ['Great idea! ', '🌟 Stars do that. ', 'And you? 🧑‍🚀']],
    ['a list in prose', ['Three things: 1. air, 2. water, 3. light. ', 'All matter.']],
    ['a number at the start', ['Spiders have 8 legs. ', '100 Earths would fit!']],
    ['several marks', ['Really?! ', 'Yes!!! ', 'Good.']],
    ['no end mark', ['First this. ', 'Then that']],
    ['one word', ['Hello']],
    ['letters beyond ASCII', ['Où est-ce? ', 'Ça va.']],
  ])('%s', (_what, sentences) => {
    const text = sentences.join('')
    expect(split([text])).toEqual(sentences)
    expect(split([...text])).toEqual(sentences)
  })

  it('comes apart into the sentences of the curriculum, but for some that end in a letter taken for an initial', () => {
    const passages = VOICES.flatMap(({ topic, ageGroup }) => curriculum.passagesOf(topic, ageGroup))
    const others = passages.filter(({ sentences }) => {
      const found = split(sentences.join('').match(/.{1,7}/gsu) ?? [])
      expect(found.join('')).toBe(sentences.join(''))
      return found.join('|') !== sentences.join('|')
    })
    expect(others.length / passages.length).toBeLessThan(0.01)
  })

  it('gives a sentence as soon as the next one has begun', () => {
    const splitter = sentenceSplitter()
    expect(splitter.push('Stars are hot.')).toEqual([])
    expect(splitter.push(' ')).toEqual([])
    expect(splitter.push('“')).toEqual([])
    expect(splitter.push('T')).toEqual(['Stars are hot. '])
  })

  it('cuts a sentence that runs on after a clause, else after a word, and never within a character', () => {
    const clauses = `${'and the stars turn slowly, '.repeat(30)}on and on.`
    for (const part of split([clauses]).slice(0, -1)) expect(part).toMatch(/, $/)
    for (const part of split(['star '.repeat(200)]).slice(0, -1)) expect(part).toMatch(/star $/)
    for (const part of split([`x${'🌟'.repeat(500)}`])) expect(part).not.toMatch(/^[\udc00-\udfff]|[\ud800-\udbff]$/)
  })

  it.each([
    ['Stars are hot. They sh', ['Stars are hot. ']],
    ['Stars are hot. They shine.', ['Stars are hot. ', 'They shine.']],
    ['Stars are hot. They shine! “', ['Stars are hot. ']],
    ['Light takes 1.', []],
    ['Ask Dr.', []],
    ['...', []],
    ['', []],
  ])('of %j that was cut off keeps what is whole', (text, sentences) => {
    expect(split([text], true)).toEqual(sentences)
  })
})
