//! The icons, one set: characters of the font `LamplightIcons`, which the theme puts behind the letters. An icon is text, so it
//! takes size and color of the words that it stands with. `resources/fonts/make_icons.py` makes the font from this list.

/// Arrows left right.
pub const ARROWS_LEFT_RIGHT: &str = "\u{e0a0}";
/// Arrow clockwise.
pub const ARROW_CLOCKWISE: &str = "\u{e036}";
/// Arrow counter clockwise.
pub const ARROW_COUNTER_CLOCKWISE: &str = "\u{e038}";
/// Arrow square out.
pub const ARROW_SQUARE_OUT: &str = "\u{e5de}";
/// Caret down.
pub const CARET_DOWN: &str = "\u{e136}";
/// Caret left.
pub const CARET_LEFT: &str = "\u{e138}";
/// Caret right.
pub const CARET_RIGHT: &str = "\u{e13a}";
/// Caret up.
pub const CARET_UP: &str = "\u{e13c}";
/// Chart bar.
pub const CHART_BAR: &str = "\u{e150}";
/// Chart line.
pub const CHART_LINE: &str = "\u{e154}";
/// Chat text.
pub const CHAT_TEXT: &str = "\u{e17a}";
/// Check.
pub const CHECK: &str = "\u{e182}";
/// Check circle.
pub const CHECK_CIRCLE: &str = "\u{e184}";
/// Clock.
pub const CLOCK: &str = "\u{e19a}";
/// Command.
pub const COMMAND: &str = "\u{e1c4}";
/// Copy.
pub const COPY: &str = "\u{e1ca}";
/// Cpu.
pub const CPU: &str = "\u{e610}";
/// Cube.
pub const CUBE: &str = "\u{e1da}";
/// Database.
pub const DATABASE: &str = "\u{e1de}";
/// Download simple.
pub const DOWNLOAD_SIMPLE: &str = "\u{e20c}";
/// Export.
pub const EXPORT: &str = "\u{eaf0}";
/// File text.
pub const FILE_TEXT: &str = "\u{e23a}";
/// Floppy disk.
pub const FLOPPY_DISK: &str = "\u{e248}";
/// Folder open.
pub const FOLDER_OPEN: &str = "\u{e256}";
/// Funnel.
pub const FUNNEL: &str = "\u{e266}";
/// Gear.
pub const GEAR: &str = "\u{e270}";
/// Graduation cap.
pub const GRADUATION_CAP: &str = "\u{e62c}";
/// Grid four.
pub const GRID_FOUR: &str = "\u{e296}";
/// Hard drives.
pub const HARD_DRIVES: &str = "\u{e2a0}";
/// Info.
pub const INFO: &str = "\u{e2ce}";
/// Keyboard.
pub const KEYBOARD: &str = "\u{e2d8}";
/// Lamp.
pub const LAMP: &str = "\u{e638}";
/// Lightbulb.
pub const LIGHTBULB: &str = "\u{e2dc}";
/// List.
pub const LIST: &str = "\u{e2f0}";
/// List magnifying glass.
pub const LIST_MAGNIFYING_GLASS: &str = "\u{ebe0}";
/// Magnifying glass.
pub const MAGNIFYING_GLASS: &str = "\u{e30c}";
/// Monitor.
pub const MONITOR: &str = "\u{e32e}";
/// Moon.
pub const MOON: &str = "\u{e330}";
/// Pause.
pub const PAUSE: &str = "\u{e39e}";
/// Pencil simple.
pub const PENCIL_SIMPLE: &str = "\u{e3b4}";
/// Play.
pub const PLAY: &str = "\u{e3d0}";
/// Plus.
pub const PLUS: &str = "\u{e3d4}";
/// Push pin.
pub const PUSH_PIN: &str = "\u{e3e2}";
/// Queue.
pub const QUEUE: &str = "\u{e6ac}";
/// Stop.
pub const STOP: &str = "\u{e46c}";
/// Sun.
pub const SUN: &str = "\u{e472}";
/// Table.
pub const TABLE: &str = "\u{e476}";
/// Target.
pub const TARGET: &str = "\u{e47c}";
/// Trash.
pub const TRASH: &str = "\u{e4a6}";
/// User.
pub const USER: &str = "\u{e4c2}";
/// Warning.
pub const WARNING: &str = "\u{e4e0}";
/// Warning circle.
pub const WARNING_CIRCLE: &str = "\u{e4e2}";
/// X.
pub const X: &str = "\u{e4f6}";
/// X circle.
pub const X_CIRCLE: &str = "\u{e4f8}";
