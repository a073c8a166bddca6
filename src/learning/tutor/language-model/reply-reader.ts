import { JSONParser } from '@streamparser/json'
import { ModelFailure } from './failure.ts'

/** Reads what a language model writes, while it writes. */
export interface ReplyReader {
  /** Takes the next piece; gives what it adds to the words for the child. Throws ModelFailure when it cannot be read. */
  push(piece: string): string
  /** Whether the words for the child are complete. `isDone`: whether the model says that it has finished. */
  hasContent(isDone: boolean): boolean
  /** Whether all there is to read has been read. */
  readonly isWhole: boolean
  /** What else it wrote; nothing of it has been checked. */
  readonly rest: { readonly choices?: unknown; readonly deepens?: unknown; readonly evidence?: unknown }
}

/** Of a reply in plain text: all of it is for the child. */
export const plainReader = (): ReplyReader => ({ push: (piece) => piece, hasContent: (isDone) => isDone, isWhole: false, rest: {} })

/** Some models put their JSON into a fence of Markdown. */
const FENCE = /^`{3}\w*\s*(?=\{)/
const LONGEST_FENCE = 20
// biome-ignore lint/suspicious/noControlCharactersInRegex: models write raw line ends into JSON strings, which JSON forbids
const CONTROL_CHARACTERS = /[\u0000-\u001f]/g

/**
 * Of a reply in JSON, in whatever order its fields come. Parsed by @streamparser/json: pushed to, it gives of an open string
 * what has come of it, with characters and escapes that were cut in two held back; it has no dependencies and its own types.
 */
export function structuredReader(): ReplyReader {
  const rest: Record<string, unknown> = {}
  let lead: string | undefined = ''
  let content = ''
  let isContentWhole = false
  let isWhole = false
  const parser = new JSONParser({ paths: ['$.*'], keepStack: false, emitPartialTokens: true, emitPartialValues: true })
  parser.onValue = ({ key, value, partial }) => {
    if (key !== 'content') {
      if (!partial) rest[String(key)] = value
    } else if (typeof value === 'string' && !isContentWhole) {
      content = value
      isContentWhole = !partial
    }
  }
  parser.onEnd = () => {
    isWhole = true
  }

  /** The JSON in what has come so far; undefined while it has not begun. */
  function withoutLead(piece: string): string | undefined {
    if (lead === undefined) return piece
    lead = (lead + piece).trimStart()
    const begun = lead.replace(FENCE, '')
    if (begun.startsWith('{')) {
      lead = undefined
      return begun
    }
    if (lead !== '' && (!lead.startsWith('`') || lead.length > LONGEST_FENCE)) throw new ModelFailure('prose')
    return undefined
  }

  return {
    rest,
    hasContent: () => isContentWhole,
    get isWhole() {
      return isWhole
    },
    push(piece) {
      const json = withoutLead(piece)
      if (json === undefined || isWhole) return ''
      const before = content.length
      try {
        parser.write(json.replace(CONTROL_CHARACTERS, ' '))
      } catch {
        if (!isContentWhole) throw new ModelFailure('garbage')
        isWhole = true
      }
      return content.slice(before)
    },
  }
}
