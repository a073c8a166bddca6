/** A text of so many UTF-16 code units. */
type Text = (length: number) => string

const again =
  (unit: string): Text =>
  (length) =>
    unit.repeat(Math.ceil(length / unit.length)).slice(0, length)

/** Texts made to keep a filter busy: each starts something again and again that never comes to its end. */
export const HOSTILE: Readonly<Record<string, Text>> = {
  'one letter': again('a'),
  digits: again('1234567890'),
  blanks: again(' '),
  'letters and blanks': again('a '),
  'digits and blanks': again('1 '),
  'characters without width': again('\u200b'),
  'letters parted by characters without width': again('a\u200b'),
  'marks on a letter': (length) => `a${'\u0301'.repeat(length - 1)}`,
  'nothing but @': again('@'),
  'letters and @': again('a@'),
  'dots and @': again('@.'),
  'dots and letters before a bracket': (length) => `(${again('a.')(length - 1)}`,
  'a word as long as the text before @': (length) => `${'a'.repeat(length - 1)}@`,
  'words as long as half the text around @': (length) => `${'a'.repeat(length / 2)}@${'b'.repeat(length / 2 - 1)}`,
  'addresses without end': again('a@bb.cc.'),
  'words run together': again('iwanttogohomenow '),
  'words run together as long as can be': again('iwanttogotothehousewithmymotherandthedogandthecatandtheq '),
  'signs that stand for many letters': again('\ufdfa'),
  'signs that stand for four letters': again('\u337f'),
  'flags of countries': again('🇬🇧'),
  'halves of characters': again('\ud83d'),
  'what may come before a password': again('phone '),
  'what may come before a name': (length) => `my roblox ${again('name is ')(length - 10)}`,
  'what may come before an address': again('i live at flat no '),
  'announcements without data': again('my house is '),
  'numbers in words': again('one two three four five six seven x '),
  'numbers in signs': again('+(1'),
  'streets without a name': again('12 zz yy '),
  'leet without a word': again('1o'),
  relatives: again('mom mum dad '),
}
