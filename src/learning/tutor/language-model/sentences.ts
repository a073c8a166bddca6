/** A sentence longer than this is told in parts, cut after a clause. */
export const LONGEST_SENTENCE = 400
/** A clause nearer to the start than this is too little to be told alone. */
const SHORTEST_PART = 100

const segmenter = new Intl.Segmenter('en', { granularity: 'sentence' })
const LETTER = /\p{L}/u
/** Dots that end no sentence: of titles, of Latin, and of initials ("J. K."). */
const ABBREVIATION = /(?:^|[^\p{L}])(?:Mr|Mrs|Ms|Dr|Prof|St|Mt|vs|approx|e\.g|i\.e|[A-HJ-Z])\.\s*$/u
const END_MARK = /(?<!\d)[.!?…]["'”’)\]]*\s*$/u

/** Takes a text apart while it arrives. What it gives, joined, is the text; how the text was cut into pieces makes no difference. */
export interface SentenceSplitter {
  /** The sentences that are whole now that this has come, with the space behind them. */
  push(piece: string): string[]
  /** What is left when the text has ended. Of a text that was cut off, only what is a sentence by its end mark. */
  end(wasCut: boolean): string[]
}

export function sentenceSplitter(): SentenceSplitter {
  let pending = ''
  return {
    push(piece) {
      pending += piece
      const whole: string[] = []
      for (let end = nextEnd(pending); end !== undefined; end = nextEnd(pending)) {
        whole.push(pending.slice(0, end))
        pending = pending.slice(end)
      }
      return whole
    },
    end(wasCut) {
      const rest = pending
      pending = ''
      const isSentence = LETTER.test(rest) && END_MARK.test(rest) && !ABBREVIATION.test(rest)
      return rest === '' || (wasCut && !isSentence) ? [] : [rest]
    },
  }
}

/** Where the first sentence ends, as far as that can be told by now. A long text is judged by its beginning, so that later pieces change nothing. */
function nextEnd(text: string): number | undefined {
  return text.length > LONGEST_SENTENCE ? (sentenceEnd(text.slice(0, LONGEST_SENTENCE + 1)) ?? partEnd(text)) : sentenceEnd(text)
}

/** The first border of UAX #29 with letters on both sides, those behind it not small: until the next letter has come, it may be none. */
function sentenceEnd(text: string): number | undefined {
  let end = 0
  for (const { segment } of segmenter.segment(text)) {
    end += segment.length
    const rest = text.slice(end)
    const [next] = LETTER.exec(rest) ?? []
    if (next === undefined) return undefined
    const before = text.slice(0, end)
    if (LETTER.test(before) && !/\p{Ll}/u.test(next) && !ABBREVIATION.test(before)) return end + rest.length - rest.trimStart().length
  }
  return undefined
}

/** Where a sentence that is too long is cut: after its last clause, else its last word, else anywhere but within a character. */
function partEnd(text: string): number {
  const view = text.slice(0, LONGEST_SENTENCE)
  const clause = /^.*[,;:–—]\s+/su.exec(view)?.[0].length ?? 0
  const word = /^.*\s/su.exec(view)?.[0].length ?? 0
  if (clause >= SHORTEST_PART) return clause
  if (word > 0) return word
  return /[\ud800-\udbff]$/.test(view) ? LONGEST_SENTENCE - 1 : LONGEST_SENTENCE
}
