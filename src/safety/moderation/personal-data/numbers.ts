import type { Folded } from '../folding.ts'
import type { Stretch } from './stretch.ts'

/** Digits with what people put between them; a comma only before a blank, as in a list. */
const RUN = /(?<![\p{L}\d.,])[+(]?\(?\d(?:[ .\-/()‐-―_*~]{0,3}\d|, \d)*/gu
const CUE =
  /fone|phone|\bcel|mobi?l|\bmob\b|\btel|\bcall|\bring\b|\btext|\btxt|sms|whats ?app|handy|numm?[eb]?r|numero|\bnum\b|contact|reach|celular|movil|portable|dial|\bm[uo]m|\bdad|\bnan|\bgran|papa|mama|auntie?|sister|brother|my friend|\bme on\b|add me/u
const MATHS =
  /\b(?:times|plus|minus|divided?|multipl\w*|primes?|digits?|pi|sum|equals?|zeros|count|even|odd|bigg?er|biggest|million|billion|calculate|half|add(?! me)|subtract|square|line|light|km|miles?|met(?:er|re)s?|years?|world|earth|sun|moon|stars?|population|people|planet|dinosaurs?|ago|century|scored?|points?|level|how (?:big|many|much|long|far|old|fast))\b|\d ?[x*=÷×] ?\d/u

/** Counting, one digit again and again, round numbers: told for their own sake. */
function isTrivial(digits: string): boolean {
  if (new Set(digits).size <= 2 || /0{4,}$/.test(digits)) return true
  const steps = new Set([...digits].slice(1).map((digit, at) => (Number(digit) - Number(digits[at]) + 10) % 10))
  return steps.size === 1
}

const isDate = (run: string): boolean => /^(?:\d{1,2}[ ./-]\d{1,2}[ ./-](?:(?:19|20)?\d\d)|(?:19|20)\d\d[ ./-]\d{1,2}[ ./-]\d{1,2})$/.test(run)
const isYears = (groups: readonly string[]): boolean => groups.every((group) => /^(?:1[0-9]|20)\d\d$/.test(group))

function isPhone(run: string, around: string): boolean {
  const digits = run.replace(/\D/g, '')
  const groups = run.match(/\d+/g) ?? []
  if (digits.length < 6 || digits.length > 15 || isTrivial(digits) || isDate(run) || isYears(groups)) return false
  if (/^(?:\+|\(?0)/.test(run) && digits.length >= 8 && !/^0\.\d+$/.test(run)) return !MATHS.test(around) || CUE.test(around)
  if (/^\d+\.\d+$/.test(run)) return false
  if (digits.length >= 7 && CUE.test(around)) return !MATHS.test(around) || /fone|phone|number is|call me/.test(around)
  if (MATHS.test(around)) return false
  return /^\d{3}[-. ]\d{4}$/.test(run) || (digits.length >= 9 && (groups.length > 1 || digits.length <= 11))
}

const isCard = (run: string): boolean => {
  const sizes = (run.match(/\d+/g) ?? []).map((group) => group.length)
  return sizes.join('-') === '4-4-4-4' || (sizes.length === 1 && (sizes[0] as number) === 16)
}

/** Phone and card numbers written in digits, among signs as they are read (lower case). */
export function writtenNumbers(read: string): Stretch[] {
  const letters = read.replace(/(?<=\d)[oil](?=[\doil])|(?<=[\doil]{2})[oil](?=\d)/g, (sign) => (sign === 'o' ? '0' : '1'))
  return [...letters.matchAll(RUN)].flatMap((match): Stretch[] => {
    const end = match.index + match[0].length
    const around = letters.slice(Math.max(0, match.index - 60), end + 40)
    if (isCard(match[0])) return [{ kind: 'secret', start: match.index, end }]
    return isPhone(match[0], around) ? [{ kind: 'phone', start: match.index, end }] : []
  })
}

const NUMBER_WORDS = new Map(
  Object.entries({
    '0': 'zero oh o nought naught nil nul null cero',
    '1': 'one won eins uno un',
    '2': 'two zwei zwo dos deux to too',
    '3': 'three tree drei tres trois',
    '4': 'four vier cuatro quatre for fore',
    '5': 'five funf fuenf cinco cinq',
    '6': 'six sechs seis',
    '7': 'seven sieben siete sept',
    '8': 'eight acht ocho huit ate',
    '9': 'nine niner neun nueve neuf',
    '10': 'ten',
    '11': 'eleven',
    '12': 'twelve',
    '20': 'twenty',
    '30': 'thirty',
    '40': 'forty',
    '50': 'fifty',
    '60': 'sixty',
    '70': 'seventy',
    '80': 'eighty',
    '90': 'ninety',
  }).flatMap(([digits, words]) => words.split(' ').map((word) => [word, digits] as const)),
)
/** Words that are numbers only beside other numbers. */
const WEAK = new Set(['to', 'too', 'for', 'fore', 'o', 'oh', 'won', 'un', 'ate', 'tree', 'to', 'nil'])
const REPEATS = new Map([
  ['double', 2],
  ['triple', 3],
  ['treble', 3],
])
const LEAST_SPOKEN = 4
const LEAST_DIGITS = 7

/** Numbers told in words: "oh seven seven, double zero". As word indexes. */
export function spokenNumbers({ words, line }: Folded): { readonly from: number; readonly to: number }[] {
  const found: { from: number; to: number }[] = []
  let from = -1
  let digits = ''
  let spoken = 0
  let times = 1
  let isMaths: boolean | undefined
  const close = (to: number) => {
    if (from >= 0 && spoken >= LEAST_SPOKEN && digits.length >= LEAST_DIGITS && !isTrivial(digits)) {
      isMaths ??= MATHS.test(line)
      if (!isMaths) found.push({ from, to })
    }
    from = -1
    digits = ''
    spoken = 0
    times = 1
  }
  words.forEach(({ plain }, at) => {
    const repeat = REPEATS.get(plain)
    const told = /^\d{1,4}$/.test(plain) ? plain : NUMBER_WORDS.get(plain)
    if (repeat === undefined && (told === undefined || (from < 0 && WEAK.has(plain)))) {
      if (!(from >= 0 && /^(?:and|then|dash)$/.test(plain))) close(at)
      return
    }
    if (from < 0) from = at
    if (repeat !== undefined) times = repeat
    else {
      digits += (told as string).repeat(times)
      times = 1
      if (!/^\d/.test(plain)) spoken += 1
    }
  })
  close(words.length)
  return found
}
