import { type Folded, fold, signsOf } from '../folding.ts'
import { CUES } from './cues.ts'
import { spokenNumbers, writtenNumbers } from './numbers.ts'
import type { PersonalKind, Stretch } from './stretch.ts'

/** Personal data found in a text. */
export interface PersonalData {
  /** What to cross out, in UTF-16 code units of the text, in order, without overlaps; none where data is only announced: "my phone number is". */
  readonly stretches: readonly Stretch[]
}

/** The part before the @ is no longer than an address may have it (RFC 5321, 4.5.3.1.1): without an end, every letter of a long word is a start to be tried. */
const EMAIL = /[\p{L}\d._+-]{1,64} ?(?:@|\(at\)|\[at\]|<at>|\(a\)|\{at\}) ?[\p{L}\d-]+(?: ?(?:\.|\(dot\)|\[dot\]|<dot>| dot |,) ?[\p{L}\d-]{2,}){1,4}/gu
const HANDLE = /(?<![^\s:(])@[\p{L}\d_][\p{L}\d_.]{2,}/gu
const TAGGED = /(?<![\p{L}\d_.#])[\p{L}\d_.]{2,32}#\d{4}(?!\d)/gu
/** Where the talk goes on after what was told. */
const GOES_ON = /^(?:and|but|because|so|dont|please|lol|haha|what|why|how|can|do|thats|which|who|when|i|im|you|if|wana|there|it|wil|are|is)$/

/** Finds the personal data in a text. `isCommon` tells the words that are in everybody's mouth from those that may be names. Takes time in proportion to the text. */
export function personalData(text: string, folded: Folded, isCommon: (single: string) => boolean): PersonalData | undefined {
  const signs = signsOf(text)
  const read = signs.map((sign) => sign.plain).join('')
  const stretches: Stretch[] = []
  let isAnnounced = false
  const addSigns = (kind: PersonalKind, start: number, end: number) => {
    const covered = signs.slice(start, end)
    stretches.push({ kind, start: Math.min(...covered.map((sign) => sign.start)), end: Math.max(...covered.map((sign) => sign.end)) })
  }
  const addWords = (kind: PersonalKind, from: number, to: number) => {
    const covered = folded.words.slice(from, to)
    stretches.push({ kind, start: Math.min(...covered.map((word) => word.start)), end: Math.max(...covered.map((word) => word.end)) })
  }
  const signAt = ownersOf(signs.map((sign) => sign.plain.length))
  const toSign = (place: number) => signAt[place] ?? signs.length
  /** Of the line without the blank that it begins with. */
  const wordAt = ownersOf(
    folded.line
      .trim()
      .split(' ')
      .map((word) => word.length + 1),
  )
  for (const [kind, pattern] of [
    ['email', EMAIL],
    ['account', HANDLE],
    ['account', TAGGED],
  ] as const) {
    if (pattern !== EMAIL || /[@(<[{]/.test(read))
      for (const match of read.matchAll(pattern)) addSigns(kind, toSign(match.index), toSign(match.index + match[0].length))
  }
  for (const { kind, start, end } of writtenNumbers(read)) addSigns(kind, toSign(start), toSign(end))
  for (const { from, to } of spokenNumbers(folded)) addWords('phone', from, to)

  for (const { kind, pattern, holds } of CUES) {
    pattern.lastIndex = 0
    for (let match = pattern.exec(folded.line); match; match = pattern.exec(folded.line)) {
      const place = match.indices?.groups?.d
      const data = match.groups?.d?.trim().split(' ') ?? []
      if (holds && !holds(data, isCommon)) continue
      if (!place || data.length === 0) {
        isAnnounced = true
        continue
      }
      const from = wordAt[place[0] - 1] as number
      const goesOn = data.findIndex((word, at) => at > 0 && GOES_ON.test(word))
      addWords(kind, from, from + (goesOn > 0 ? goesOn : data.length))
      // What follows may announce data of its own.
      if (goesOn > 0) pattern.lastIndex = place[0] + data.slice(0, goesOn).join(' ').length
    }
  }
  return stretches.length > 0 || isAnnounced ? { stretches: united(stretches) } : undefined
}

/** Of each place in a joined text, the index of the part that stands there. */
function ownersOf(lengths: readonly number[]): number[] {
  const owners: number[] = []
  lengths.forEach((length, at) => {
    for (let count = 0; count < length; count += 1) owners.push(at)
  })
  return owners
}

function united(stretches: readonly Stretch[]): Stretch[] {
  const result: Stretch[] = []
  for (const next of stretches.toSorted((a, b) => a.start - b.start || b.end - a.end)) {
    const last = result.at(-1)
    if (last && next.start < last.end) result[result.length - 1] = { ...last, end: Math.max(last.end, next.end) }
    else result.push(next)
  }
  return result
}

const MASKS: Readonly<Record<PersonalKind, string>> = {
  phone: '[phone]',
  email: '[email]',
  address: '[address]',
  full_name: '[name]',
  school: '[school]',
  secret: '[secret]',
  account: '[account]',
}

function crossOut(text: string, stretches: readonly Stretch[], mask: (kind: PersonalKind) => string): string {
  let result = ''
  let at = 0
  for (const { kind, start, end } of stretches) {
    result += text.slice(at, start) + mask(kind)
    at = end
  }
  return result + text.slice(at)
}

/** In a text that holds personal data no such number is kept, whatever it is. */
const LONG_NUMBER = /\d{5}/

/**
 * A text that holds personal data, without it: words in brackets say what stood there. Where nothing in it could be told
 * apart, every number and every word that is not common goes.
 */
export function withoutPersonalData(text: string, found: PersonalData | undefined, isCommon: (single: string) => boolean): string {
  const { words, line } = fold(text)
  if (found) {
    const long = words.filter((word) => LONG_NUMBER.test(word.plain)).map(({ start, end }) => ({ kind: 'phone' as const, start, end }))
    return crossOut(text, united([...found.stretches, ...long]), (kind) => MASKS[kind])
  }
  const singles = line.trim().split(' ')
  const hidden = words.filter((word, at) => /\d/.test(word.plain) || !isCommon(singles[at] as string))
  return crossOut(
    text,
    hidden.map(({ start, end }) => ({ kind: 'secret', start, end })),
    () => '[private]',
  )
}
