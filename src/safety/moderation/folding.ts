/** A word as it was meant, and where it stands in the text, in UTF-16 code units. */
export interface FoldedWord {
  /** Lower-case letters a to z where the script has them, or digits. */
  readonly plain: string
  readonly start: number
  readonly end: number
}

/** A text without the disguises that hide a word from a filter but not from a reader. */
export interface Folded {
  readonly words: readonly FoldedWord[]
  /** The words with a space between them and at both ends, each letter that is doubled once: "still" and "stiiill" are the same. */
  readonly line: string
}

/** Letters of other alphabets, and signs, that look like a Latin letter (after Unicode confusables, UTS #39), turned ones too. */
const LOOKALIKES: Readonly<Record<string, string>> = {
  a: 'аαɑⱥɐᴀ',
  b: 'ьвβɓʙ',
  c: 'сϲⅽɔᴄ¢',
  d: 'ԁɗⅾᴅ',
  e: 'еεєǝəᴇ℮€',
  f: 'ƒɟ',
  g: 'ɡցƃɢ',
  h: 'һнңɥʜ',
  i: 'іιɩıⅰᴉɪ¡',
  j: 'јʝɾᴊ',
  k: 'кκʞᴋ',
  l: 'ӏⅼłʟ',
  m: 'мⅿɯᴍ',
  n: 'пηɴ',
  o: 'оοօσøᴏ',
  p: 'рρᴘ',
  q: 'ԛգ',
  r: 'гɹʀᴦ',
  s: 'ѕʂꜱ§',
  t: 'тτŧʇᴛ',
  u: 'υսμᴜ',
  v: 'ѵνⅴʌᴠ',
  w: 'ԝωшʍᴡ',
  x: 'хχ×ⅹ',
  y: 'уγүʎʏ',
  z: 'ᴢʐ',
  ss: 'ß',
  ae: 'æ',
  oe: 'œ',
  th: 'þ',
  "'": '’`´‘ʼ',
  ' ': '\u2800ㅤ',
}
const LETTER_OF = new Map(Object.entries(LOOKALIKES).flatMap(([letter, alike]) => [...alike].map((sign) => [sign, letter] as const)))

/** Signs read as letters, but only among letters: "k1ll", not "1 kg". */
const LEET: Readonly<Record<string, string>> = {
  ...{ '0': 'o', '1': 'i', '3': 'e', '4': 'a', '5': 's', '7': 't', '8': 'b', '9': 'g' },
  ...{ '@': 'a', $: 's', '!': 'i', '|': 'l', '+': 't', '(': 'c', '€': 'e' },
}

/** How children text. */
const TEXTING = new Map(
  Object.entries({
    u: 'you',
    ya: 'you',
    r: 'are',
    ur: 'your',
    yr: 'your',
    b4: 'before',
    m8: 'mate',
    gr8: 'great',
    l8r: 'later',
    n: 'and',
    y: 'why',
    k: 'ok',
    plz: 'please',
    pls: 'please',
    cuz: 'because',
    coz: 'because',
    cos: 'because',
    bc: 'because',
    wut: 'what',
    wat: 'what',
    wot: 'what',
    dat: 'that',
    da: 'the',
    teh: 'the',
    iz: 'is',
    duz: 'does',
    hav: 'have',
    sum1: 'someone',
    any1: 'anyone',
    every1: 'everyone',
    no1: 'noone',
    '2day': 'today',
    '2nite': 'tonight',
    '2moro': 'tomorrow',
  }),
)
/** A digit between words that is heard as one: "want 2 die", "made 4 u". */
const SPOKEN_DIGITS = new Map([
  ['2', 'to'],
  ['4', 'for'],
])

/** One sign as it is read, and where it stands in the text. */
export interface Sign {
  readonly plain: string
  readonly start: number
  readonly end: number
}

/** The text sign by sign: accents and invisible characters gone, lookalikes read, digits of every script as 0 to 9. */
export function signsOf(text: string): Sign[] {
  const signs: Sign[] = []
  let at = 0
  for (const sign of text) {
    const end = at + sign.length
    for (const plain of plainOf(sign)) signs.push({ plain, start: at, end })
    at = end
  }
  return signs.filter((sign) => TURNED.has(text.slice(sign.start, sign.end))).length > 1 ? turnedRound(signs) : signs
}

/** Letters of text that is written upside down, which is read from its end; some of its letters are Latin ones. */
const TURNED = new Set('ɐɔǝɟƃɥᴉɾʞɯɹʇʌʍʎ')
const TURNED_LATIN = new Map([...'pdqbnu'].map((letter, at) => [letter, 'dpbqun'.charAt(at)]))
const turnedRound = (signs: readonly Sign[]): Sign[] => signs.toReversed().map((sign) => ({ ...sign, plain: TURNED_LATIN.get(sign.plain) ?? sign.plain }))

const ASCII = /^[ -~]$/
/** Some Arabic signs stand for a whole phrase: nobody hides a word in them, and a text of them would grow eighteenfold. */
const MOST_LETTERS_OF_A_SIGN = 4
function plainOf(sign: string): string {
  if (ASCII.test(sign)) return sign.toLowerCase()
  const alike = LETTER_OF.get(sign) ?? LETTER_OF.get(sign.toLowerCase())
  if (alike) return alike
  const code = sign.codePointAt(0) as number
  // Flags' letters, and the white letters on squares and circles, which have no decomposition.
  if (code >= 0x1f1e6 && code <= 0x1f1ff) return String.fromCharCode(97 + code - 0x1f1e6)
  if (code >= 0x1f130 && code <= 0x1f189) return String.fromCharCode(97 + (((code - 0x1f130) % 32) % 26))
  if (/\p{Nd}/u.test(sign)) return digitOf(code)
  if (/\s/.test(sign)) return ' '
  const plain = sign
    .normalize('NFKD')
    .replace(/[\p{M}\p{Cf}\p{Cc}]/gu, '')
    .toLowerCase()
  if (plain === sign || plain.length > MOST_LETTERS_OF_A_SIGN) return sign
  return [...plain].map((part) => LETTER_OF.get(part) ?? part).join('')
}

/** The value of a digit of any script: they stand in tens. */
function digitOf(code: number): string {
  let value = 0
  while (value < 9 && /\p{Nd}/u.test(String.fromCodePoint(code - value - 1))) value += 1
  return String(value)
}

const isLetter = (plain: string): boolean => /\p{L}/u.test(plain)
const isDigit = (plain: string): boolean => plain >= '0' && plain <= '9' && plain.length === 1

/** Stretches without blanks. */
function chunksOf(signs: readonly Sign[]): Sign[][] {
  const chunks: Sign[][] = []
  let chunk: Sign[] = []
  for (const sign of signs) {
    if (sign.plain !== ' ') chunk.push(sign)
    else if (chunk.length > 0) {
      chunks.push(chunk)
      chunk = []
    }
  }
  if (chunk.length > 0) chunks.push(chunk)
  return chunks
}

const wordOf = (signs: readonly Sign[], plain = signs.map((sign) => sign.plain).join('')): FoldedWord => ({
  plain,
  start: Math.min((signs[0] as Sign).start, (signs[signs.length - 1] as Sign).start),
  end: Math.max((signs[0] as Sign).end, (signs[signs.length - 1] as Sign).end),
})

/** The words of a stretch without blanks: leet read, letters joined that only signs divide, otherwise divided at signs. */
function wordsIn(chunk: readonly Sign[]): FoldedWord[] {
  const core = chunk.slice(0, chunk.findLastIndex((sign) => isLetter(sign.plain) || isDigit(sign.plain) || sign.plain === '$') + 1)
  const letters = core.filter((sign) => isLetter(sign.plain))
  const digits = core.filter((sign) => isDigit(sign.plain)).length
  const parts: Sign[][] = [[]]
  for (const sign of core) {
    if (isLetter(sign.plain) || isDigit(sign.plain)) (parts[parts.length - 1] as Sign[]).push(sign)
    else if (sign.plain !== "'") parts.push([])
  }
  const filled = parts.filter((part) => part.length > 0)
  if (letters.length === 0) return filled.map((part) => wordOf(part))
  // "k.i.l.l", "d-i-e"
  if (filled.length > 2 && filled.every((part) => part.length === 1) && digits === 0) return [wordOf(letters)]
  // "k1ll", "$tupid", "wh@t"; not "7th", "10km", "mia@post.org" or "3x3"
  const signs = core.filter((sign) => sign.plain !== "'")
  const plain = signs.map((sign) => sign.plain).join('')
  const isLeet = letters.length > digits && signs.every((sign) => isLetter(sign.plain) || LEET[sign.plain] !== undefined) && /[^\p{L}]/u.test(plain)
  if (isLeet && !/^\d+(st|nd|rd|th|[a-z]{1,2}|min|sec|hours?|years?|days?)$/.test(plain) && !TEXTING.has(plain)) {
    return [wordOf(signs, signs.map((sign) => LEET[sign.plain] ?? sign.plain).join(''))]
  }
  // "f*ck": a sign between letters that stands for one of them stays away.
  return filled.map((part) => wordOf(part))
}

/** "k i l l": three and more single letters in a row are one word. */
function joinLetters(words: readonly FoldedWord[]): FoldedWord[] {
  const joined: FoldedWord[] = []
  for (let at = 0; at < words.length; at += 1) {
    let end = at
    while (end < words.length && isSingleLetter(words[end] as FoldedWord)) end += 1
    if (end - at > 2) {
      const run = words.slice(at, end)
      joined.push({ plain: run.map((word) => word.plain).join(''), start: (run[0] as FoldedWord).start, end: (run[run.length - 1] as FoldedWord).end })
      at = end - 1
    } else joined.push(words[at] as FoldedWord)
  }
  return joined
}
const isSingleLetter = (word: FoldedWord): boolean => word.plain.length === 1 && isLetter(word.plain)

/** Each letter that is doubled, once. */
export const single = (plain: string): string => plain.replace(/(\p{L})\1+/gu, '$1')

/** Folds a text. Takes time in proportion to its length. */
export function fold(text: string): Folded {
  const found = joinLetters(chunksOf(signsOf(text)).flatMap(wordsIn))
  const words = found.map((word, at): FoldedWord => {
    const beside = (other: FoldedWord | undefined) => other !== undefined && /\p{L}/u.test(other.plain)
    const spoken = beside(found[at - 1]) && beside(found[at + 1]) ? SPOKEN_DIGITS.get(word.plain) : undefined
    return { ...word, plain: spoken ?? TEXTING.get(word.plain) ?? word.plain }
  })
  return lined(words)
}

const lined = (words: readonly FoldedWord[]): Folded => ({ words, line: ` ${words.map((word) => `${single(word.plain)} `).join('')}` })

/** Shorter words are not taken apart: names and slips of the pen would fall to pieces. */
const SHORTEST_RUN = 7
const LONGEST_RUN = 60
const LONGEST_PART = 14
const WORDS_OF_ONE_LETTER = new Set(['i', 'a'])

/** Takes apart what was run together, "iwanttogo", into words that are common; the fewest that make it up. */
export function apart(folded: Folded, isCommon: (single: string) => boolean): Folded {
  const isRun = ({ plain }: FoldedWord) => plain.length >= SHORTEST_RUN && plain.length <= LONGEST_RUN && /^[a-z]+$/.test(plain) && !isCommon(single(plain))
  if (!folded.words.some(isRun)) return folded
  return lined(folded.words.flatMap((word) => (isRun(word) ? partsOf(word.plain, isCommon).map((plain) => ({ ...word, plain })) : [word])))
}

function partsOf(run: string, isCommon: (single: string) => boolean): string[] {
  /** Of each place, the fewest words that lead there, and where the last of them begins. */
  const fewest = new Array<number>(run.length + 1).fill(Number.POSITIVE_INFINITY)
  const begins = new Array<number>(run.length + 1).fill(0)
  fewest[0] = 0
  for (let end = 1; end <= run.length; end += 1) {
    for (let start = Math.max(0, end - LONGEST_PART); start < end; start += 1) {
      const part = run.slice(start, end)
      // A short word is likelier to be there by chance.
      const cost = (fewest[start] as number) + (part.length < 3 ? 1.4 : 1)
      if (cost < (fewest[end] as number) && (part.length > 1 ? isCommon(single(part)) : WORDS_OF_ONE_LETTER.has(part))) {
        fewest[end] = cost
        begins[end] = start
      }
    }
  }
  // Names are made of such pieces too: what was run together has long words in it.
  if ((fewest[run.length] as number) > run.length / 2) return [run]
  const parts: string[] = []
  for (let end = run.length; end > 0; end = begins[end] as number) parts.unshift(run.slice(begins[end], end))
  return parts
}
