// Emoji by their names, for `:name:`, for completion and for choosing.

const TABLE = `
smile 😄 grin 😀 laugh 😆 joy 😂 rofl 🤣 sweat_smile 😅 blush 😊 innocent 😇 wink 😉 heart_eyes 😍 kissing 😘 yum 😋
tongue 😛 zany 🤪 thinking 🤔 neutral 😐 expressionless 😑 smirk 😏 unamused 😒 roll_eyes 🙄 grimace 😬 relieved 😌
sleepy 😪 sleeping 😴 mask 😷 sick 🤒 dizzy 😵 exploding 🤯 cowboy 🤠 party 🥳 cool 😎 nerd 🤓 confused 😕 worried 😟
frown ☹️ open_mouth 😮 astonished 😲 flushed 😳 pleading 🥺 fearful 😨 cry 😢 sob 😭 scream 😱 tired 😫 yawn 🥱
triumph 😤 angry 😠 rage 😡 skull 💀 poop 💩 clown 🤡 ghost 👻 alien 👽 robot 🤖 see_no_evil 🙈 hug 🤗 salute 🫡
melting 🫠 shrug 🤷 facepalm 🤦 wave 👋 ok_hand 👌 victory ✌️ crossed_fingers 🤞 metal 🤘 call_me 🤙 point_up ☝️
thumbsup 👍 +1 👍 thumbsdown 👎 -1 👎 fist ✊ punch 👊 clap 👏 raised_hands 🙌 pray 🙏 handshake 🤝 muscle 💪 writing ✍️
eyes 👀 brain 🧠 heart ❤️ orange_heart 🧡 yellow_heart 💛 green_heart 💚 blue_heart 💙 purple_heart 💜 black_heart 🖤
broken_heart 💔 sparkling_heart 💖 hundred 💯 boom 💥 sparkles ✨ star ⭐ fire 🔥 sun ☀️ rainbow 🌈 cloud ☁️ rain 🌧️
snow ❄️ zap ⚡ moon 🌙 earth 🌍 dog 🐶 cat 🐱 mouse 🐭 fox 🦊 bear 🐻 panda 🐼 unicorn 🦄 bee 🐝 bug 🐛 butterfly 🦋
snail 🐌 turtle 🐢 octopus 🐙 crab 🦀 whale 🐳 penguin 🐧 chick 🐤 tree 🌳 cactus 🌵 rose 🌹 sunflower 🌻 clover 🍀
apple 🍎 lemon 🍋 banana 🍌 grapes 🍇 strawberry 🍓 avocado 🥑 bread 🍞 cheese 🧀 pizza 🍕 burger 🍔 fries 🍟 taco 🌮
sushi 🍣 cookie 🍪 cake 🎂 chocolate 🍫 popcorn 🍿 coffee ☕ tea 🍵 beer 🍺 cheers 🍻 wine 🍷 champagne 🍾 soccer ⚽
basketball 🏀 trophy 🏆 medal 🏅 game 🎮 dart 🎯 dice 🎲 guitar 🎸 music 🎵 art 🎨 movie 🎬 camera 📷 car 🚗 bike 🚲
train 🚆 plane ✈️ rocket 🚀 ship 🚢 anchor ⚓ house 🏠 tent ⛺ bulb 💡 bomb 💣 gift 🎁 tada 🎉 balloon 🎈 bell 🔔
key 🔑 lock 🔒 hammer 🔨 wrench 🔧 gear ⚙️ link 🔗 pin 📌 clip 📎 memo 📝 book 📖 chart 📈 calendar 📅 mail ✉️ phone 📱
laptop 💻 floppy 💾 mag 🔍 hourglass ⏳ alarm ⏰ money 💰 gem 💎 question ❓ exclamation ❗ warning ⚠️ no_entry ⛔
check ✅ x ❌ plus ➕ arrow_right ➡️ arrow_left ⬅️ arrow_up ⬆️ arrow_down ⬇️ recycle ♻️ infinity ♾️ flag 🏁 pirate 🏴‍☠️`;

/** The emoji by their names, in the order of the table. */
export const EMOJI = new Map(
  [...TABLE.matchAll(/(\S+) (\S+)/g)].map(([, name, emoji]) => [name, emoji]),
);

/** Those whose names hold this, the ones that begin so first. */
export function emojiLike(text, most = 8) {
  const names = [...EMOJI.keys()].filter((name) => name.includes(text));
  return names.sort((one, other) => other.startsWith(text) - one.startsWith(text)).slice(0, most);
}
