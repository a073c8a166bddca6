/** Passwords of 8 and more characters that head the lists of leaked ones, in lower case. */
export const COMMON_PASSWORDS: ReadonlySet<string> = new Set(
  `
  00000000 000000000 0000000000 01010101 01234567 0123456789 10203040 102030405 11111111 111111111
  1111111111 11223344 1122334455 112233445566 12121212 121212121 123123123 123321123 12341234 12344321
  1234512345 123454321 123456123 12345678 123456789 1234567890 1234567891 12345678910 123456789a 12345678a
  1234567a 123456ab 123456abc 12345qwert 1234abcd 1234qwer 123789456 13131313 135792468 147258369
  159357258 159753456 1a2b3c4d 1q2w3e4r 1q2w3e4r5t 1q2w3e4r5t6y 1qaz2wsx 1qaz2wsx3edc 20202020 22222222
  246813579 31415926 314159265 321654987 33333333 44444444 456789123 55555555 654321654 66666666
  69696969 741852963 77777777 789456123 87654321 88888888 963852741 987654321 9876543210 99999999
  a1234567 a12345678 a123456789 a1b2c3d4 a1b2c3d4e5 aa123456 abc12345 abc123456 abc@1234 abcd1234
  abcd12345 abcdefg1 abcdefgh abcdefghi access123 access14 admin123 admin1234 admin@123 adminadmin
  administrator alexander alexandra america1 andrew12 angel123 angels12 anthony1 arsenal1 asd123456
  asdf1234 asdf@1234 asdfasdf asdfghjk asdfghjkl asdqwe123 ashley12 asshole1 autumn12 autumn2024
  autumn2025 azerty12 azerty123 azertyuiop babyboy1 babygirl babygirl1 barcelona baseball baseball1
  basketball batman12 batman123 beautiful beautiful1 benjamin bestfriend beyonce1 birthday birthday1
  black123 blessed1 blink182 blue1234 brainspark brainspark1 brainspark123 brazil12 bullshit business1
  buster12 butterfly butterfly1 california canada12 changeme changeme1 changeme123 charlie1 charlie12
  chelsea1 chicago1 chocolate chocolate1 christian college1 company1 computer computer1 computer12
  contrasena contrasena1 cookie12 cookies1 correcthorse corvette cowboys1 crystal1 cupcake1 daddy123
  daniel12 daniel123 darthvader database december default1 deutschland diamond1 diamonds dolphin1
  dolphins dragon12 dragon123 elizabeth eminem12 facebook facebook1 faith123 familia1 family12
  family123 father12 february fernanda ferrari1 florida1 football football1 forever1 forever21
  fortnite fortnite1 france12 freedom1 freedom12 friday12 friend12 friends1 fuckyou1 fuckyou12
  fuckyou2 gabriela gameover gamer123 gandalf1 geheim12 germany1 ginger12 godisgood godislove
  golden12 goodbye1 google12 google123 greenday guest123 guestguest hallo123 hannah12 harley12
  harrypotter haslo123 heaven12 hello123 hello1234 hello12345 hellohello helloworld helloworld1 heslo123
  hockey12 hogwarts honda123 hunter12 hunter123 ilovegod iloveme1 iloveyou iloveyou! iloveyou1
  iloveyou2 incorrect india123 india@123 internet internet1 isabella jackson1 jackson5 january1
  jennifer jennifer1 jessica1 jesus123 jesuschrist jordan12 jordan23 joshua12 juventus killer12
  killer123 ladygaga lakers24 letmein! letmein1 letmein12 letmein123 letmeinnow letmeplay linkedin
  linkedin1 liverpool liverpool1 login123 login1234 london12 losenord lovelove lovely12 loveyou1
  lozinka1 lösenord manager1 manager12 manchester margaret master12 master123 matthew1 maverick
  mercedes metallica mexico12 michael1 michael12 michelle michelle1 mickey12 mickeymouse microsoft
  million1 minecraft minecraft1 mommy123 monday12 money123 monkey12 monkey123 motdepasse mother12
  mustang1 mustermann mybaby12 mylove12 mypassword mypassword1 mysql123 newpassword newyork1 newyork12
  nicole12 nintendo nirvana1 noobnoob nopassword november oldpassword openopen opensesame operator
  oracle12 orange12 p@55w0rd p@ssw0rd p@ssw0rd1 p@ssw0rd123 p@ssword pa$$word pa55w0rd pa55word
  packers1 pakistan pakistan1 parola12 pass1234 pass12345 pass@123 pass@word1 passpass passport
  passw0rd password password! password0 password00 password1 password1! password11 password12 password123
  password1234 password2 password2023 password2024 password2025 password2026 password21 password3 password69 password7
  password9 password99 passwords passwort passwort1 passwort123 patricia patriots peaches1 pepper12
  phoenix1 player12 playstation pokemon1 pokemon123 police12 porsche1 postgres postgres1 princess
  princess1 princess12 pumpkin1 purple12 q1w2e3r4 q1w2e3r4t5 qazwsx123 qazwsxedc qwe12345 qwe123456
  qweasd123 qweasdzxc qweqweqwe qwer1234 qwerty12 qwerty123 qwerty1234 qwerty12345 qwerty123456 qwertyqwerty
  qwertyui qwertyuiop qwertz12 qwertz123 raiders1 rainbow1 rainbows red12345 redskins robert12
  roblox12 roblox123 root1234 rootroot salasana salasana1 samantha samsung1 samsung123 saturday
  schatz12 school12 secret12 secret123 security security1 senha123 senha1234 september server12
  service1 shadow12 shadow123 sifre123 silver12 skywalker slipknot snoopy12 soccer12 soccer123
  sparkle1 spiderman spiderman1 spring12 spring123 spring2024 spring2025 spring2026 starwars starwars1
  steelers stephanie student1 student12 stupid12 summer12 summer123 summer2023 summer2024 summer2025
  summer2026 sunday12 sunshine sunshine1 sunshine12 superman superman1 supersecret superuser support1
  sweetheart sweetie1 sweety12 system12 teacher1 temp1234 temporary test1234 tester12 testing1
  testing123 testpassword testtest texas123 thepassword thomas12 tigger12 tinkerbell toor1234 topsecret
  toyota12 trustno1 trustnoone twitter1 unicorn1 unicorns veronica victoria victoria1 voldemort
  wachtwoord wachtwoord1 warriors welcome! welcome1 welcome12 welcome123 welcome2 welcome@123 whatever
  whatever1 white123 windows1 windows10 winter12 winter123 winter2023 winter2024 winter2025 winter2026
  xbox3600 yamaha12 yankees1 yellow12 yourpassword youtube1 zaq12wsx zaq1zaq1 zxc123456 zxcv1234
  zxcvbnm1 zxcvbnm123 zxcvbnmm zxcvzxcv
  `
    .trim()
    .split(/\s+/),
)
