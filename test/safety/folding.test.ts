import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { apart, fold } from '../../src/safety/moderation/folding.ts'

const line = (text: string): string => fold(text).line.trim()

describe('a text is read without its disguises', () => {
  it.each([
    ['capitals and accents', 'Í WÁNT tö díe', 'i want to die'],
    ['invisible characters', 'd\u200bi\u2060e\u00ad now', 'die now'],
    ['lookalike letters of other alphabets', 'кіll mе', 'kil me'],
    ['full-width and mathematical letters', 'Ｉ ｗａｎｔ 𝓽𝓸 𝗱𝗶𝗲', 'i want to die'],
    ['letters on squares and flags', '🅺🅸🅻🅻 🇩🇮🇪', 'kil die'],
    ['signs and digits for letters', 'k1ll y0ur$elf st0p!t', 'kil yourself stopit'],
    ['letters set apart', 'k i l l and d.i.e', 'kil and die'],
    ['letters set apart by dashes', 'd-i-e', 'die'],
    ['repeated letters', 'stiiiiill sooo', 'stil so'],
    ['writing upside down, from its end', 'ǝıp oʇ ʇuɐʍ ı', 'i want to die'],
    ['the way children text', 'b4 u go 2 sleep plz', 'before you go to slep please'],
    ['digits of another script', 'call ٠١٢٣', 'cal 0123'],
    ['apostrophes of every kind', "don't can’t", 'dont cant'],
  ])('%s', (_what, text, meant) => {
    expect(line(text)).toBe(meant)
  })

  it.each([
    ['numbers stay numbers', '3x3 is 9, 7th of may at 2pm, 10km', '3x3 is 9 7th of may at 2pm 10km'],
    ['"i a" is not one word', 'i a am', 'i a am'],
    ['an e-mail falls into its words', 'mia@post.org', 'mia post org'],
    ['nothing is nothing', ' \n\u200b ', ''],
  ])('%s', (_what, text, meant) => {
    expect(line(text)).toBe(meant)
  })

  it('and what was run together is taken apart into common words, but not names', () => {
    const common = new Set(['i', 'want', 'to', 'go', 'home', 'now', 'leo', 'is', 'a', 'loser'])
    const isCommon = (word: string) => common.has(word)
    expect(apart(fold('iwanttogohome'), isCommon).line.trim()).toBe('i want to go home')
    expect(apart(fold('leoisaloser raghunathan'), isCommon).line.trim()).toBe('leo is a loser raghunathan')
  })

  it('each word says where it stands, whatever the text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 200 }), (text) => {
        const { words, line: folded } = fold(text)
        // Nothing of a line but the spaces between words is a space, so that places in it lead to words.
        expect(folded.split(' ')).toHaveLength(words.length + 2)
        for (const { start, end, plain } of words) {
          expect(plain).not.toBe('')
          expect(start).toBeLessThan(end)
          expect(end).toBeLessThanOrEqual(text.length)
        }
      }),
    )
  })

  it('disguising a word any way gives the word', () => {
    const lookalikes: Readonly<Record<string, string>> = { a: 'аα@4', e: 'еε3', i: 'і1!', o: 'оο0', c: 'с', p: 'р', s: '$5ѕ', t: '7т' }
    const disguised = fc
      .tuple(
        fc.constantFrom('poison', 'stupid', 'idiot', 'pathetic'),
        fc.array(fc.nat(9), { minLength: 8, maxLength: 8 }),
        fc.constantFrom('', '\u200b', '\u2060'),
      )
      .map(([word, picks, between]) => {
        const signs = [...word].map((letter, at) => {
          const alike = [letter, letter.toUpperCase(), ...(lookalikes[letter] ?? '')]
          return alike[(picks[at] as number) % alike.length] as string
        })
        return { word, text: signs.join(between) }
      })
      // More signs than letters are no word any more, for a reader neither.
      .filter(({ word, text }) => (text.match(/\p{L}/gu)?.length ?? 0) > word.length / 2)
    fc.assert(
      fc.property(disguised, ({ word, text }) => {
        expect(line(`you ${text}`)).toBe(`you ${word}`)
      }),
    )
  })
})
