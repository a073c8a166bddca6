const WANT = `(?:want(?:ed)? to|wanna|wana|wish(?: that)? i (?:could|would)|am going to|im going to|im gonna)`
const SELF = `(?:my ?self|me)`

/** Plain words for wishing to die, hurting oneself, or being hurt at home. Read without punctuation and apostrophes. */
const HARM: readonly RegExp[] = [
  new RegExp(
    String.raw`\bi (?:just |really |only )?(?:dont |do not )?${WANT} (?:live any ?more|be alive|die\b(?! (?:my|the|it|his|her))|be dead|kill ${SELF}|hurt ${SELF}|cut ${SELF}|end my life)`,
  ),
  /\bi wish i (?:was|were) (?:dead|never born)\b/,
  /\b(?:kill|hurt|cut|harm)(?:ing|s)? myself\b/,
  /\b(?:nobody|no one) would (?:miss|care)\b.*\b(?:me|i)\b/,
  /\b(?:everyone|everybody|they) would be better (?:off )?without me\b/,
  /\bi dont want to (?:live|be alive|be here any ?more|wake up)\b/,
  /\b(?:my )?(?:mum|mom|mummy|mommy|dad|daddy|step ?(?:dad|mum|mom)|uncle|aunt|brother|coach|teacher|babysitter|he|she|they) (?:(?:always |often |sometimes )?(?:hits|punches|kicks|chokes|hurts) me|keeps? (?:hitting|beating|punching|kicking|hurting) me|(?:hit|beats?|punched|kicked) me (?:every|all the time|with (?:his|her|a) (?:belt|stick|hand|fist))|beats me up)\b/,
  /\b(?:touch(?:es|ed)?|touching) (?:me|my (?:private|privates|private parts))\b.*\b(?:secret|private|scared|dont like|not tell|stop)\b/,
]

const plain = (text: string): string =>
  text
    .normalize('NFKD')
    .replace(/[\p{M}\p{Cf}'’]/gu, '')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}]+/gu, ' ')
    .trim()

/** Whether a child says in plain words that it wants to die or hurt itself, or that somebody hurts it. Disguised words are not seen through. */
export function speaksOfHarm(text: string): boolean {
  const words = plain(text)
  return HARM.some((pattern) => pattern.test(words))
}
