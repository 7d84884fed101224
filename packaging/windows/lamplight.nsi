; The installer for Windows: for one user, without an administrator. packaging/package.py gives TITLE, VERSION, FOUR, VENDOR,
; SUMMARY, MIME, PAYLOAD (the folder of what is installed) and OUTPUT.

Unicode true
SetCompressor /SOLID lzma
ManifestDPIAware true
ManifestSupportedOS Win10
RequestExecutionLevel user

!include "MUI2.nsh"
!include "FileFunc.nsh"
!include "WinVer.nsh"
!include "WinMessages.nsh"

!define UNINSTALL "Software\Microsoft\Windows\CurrentVersion\Uninstall\${TITLE}"
!define APP_PATH "Software\Microsoft\Windows\CurrentVersion\App Paths\lamplight.exe"
!define CLASSES "Software\Classes"
!define PROGID "Lamplight.Experiment"

Name "${TITLE}"
OutFile "${OUTPUT}"
InstallDir "$LOCALAPPDATA\Programs\${TITLE}"
InstallDirRegKey HKCU "${UNINSTALL}" "InstallLocation"
BrandingText "${TITLE} ${VERSION}"

VIProductVersion "${FOUR}"
VIFileVersion "${FOUR}"
VIAddVersionKey "ProductName" "${TITLE}"
VIAddVersionKey "ProductVersion" "${VERSION}"
VIAddVersionKey "FileVersion" "${VERSION}"
VIAddVersionKey "FileDescription" "${TITLE} installer"
VIAddVersionKey "CompanyName" "${VENDOR}"
VIAddVersionKey "LegalCopyright" "${VENDOR}"

!define MUI_ICON "${ICON}"
!define MUI_UNICON "${ICON}"
!define MUI_FINISHPAGE_RUN "$INSTDIR\lamplight.exe"
!define MUI_FINISHPAGE_RUN_TEXT "Open ${TITLE}"
!define MUI_COMPONENTSPAGE_SMALLDESC
!define MUI_UNCONFIRMPAGE_TEXT_TOP "${TITLE} will be removed. Your runs, models and settings stay in$\r$\n$APPDATA\lamplight and $LOCALAPPDATA\lamplight; delete these folders to be rid of them."

!insertmacro MUI_PAGE_LICENSE "${PAYLOAD}\LICENSE.txt"
!insertmacro MUI_PAGE_COMPONENTS
!insertmacro MUI_PAGE_DIRECTORY
!insertmacro MUI_PAGE_INSTFILES
!insertmacro MUI_PAGE_FINISH
!insertmacro MUI_UNPAGE_CONFIRM
!insertmacro MUI_UNPAGE_INSTFILES
!insertmacro MUI_LANGUAGE "English"

; A program that is at work cannot be replaced: asks to close it, and gives up in a silent installation.
!macro EnsureClosed
  retry:
  ClearErrors
  IfFileExists "$INSTDIR\lamplight.exe" 0 closed
  FileOpen $0 "$INSTDIR\lamplight.exe" a
  IfErrors 0 free
  MessageBox MB_RETRYCANCEL|MB_ICONEXCLAMATION "${TITLE} is running. Close it, and try again." /SD IDCANCEL IDRETRY retry
  SetErrorLevel 1
  Quit
  free:
  FileClose $0
  closed:
!macroend

Function .onInit
  ${IfNot} ${AtLeastWin10}
    MessageBox MB_ICONSTOP "${TITLE} needs Windows 10 or newer." /SD IDOK
    SetErrorLevel 1
    Quit
  ${EndIf}
FunctionEnd

Section "${TITLE}" SecProgram
  SectionIn RO
  SetShellVarContext current
  !insertmacro EnsureClosed
  SetOutPath "$INSTDIR"
  File /r "${PAYLOAD}${SLASH}*"
  WriteUninstaller "$INSTDIR\uninstall.exe"

  WriteRegStr HKCU "${UNINSTALL}" "DisplayName" "${TITLE}"
  WriteRegStr HKCU "${UNINSTALL}" "DisplayVersion" "${VERSION}"
  WriteRegStr HKCU "${UNINSTALL}" "Publisher" "${VENDOR}"
  WriteRegStr HKCU "${UNINSTALL}" "Comments" "${SUMMARY}"
  WriteRegStr HKCU "${UNINSTALL}" "DisplayIcon" "$INSTDIR\lamplight.exe"
  WriteRegStr HKCU "${UNINSTALL}" "InstallLocation" "$INSTDIR"
  WriteRegStr HKCU "${UNINSTALL}" "UninstallString" '"$INSTDIR\uninstall.exe"'
  WriteRegStr HKCU "${UNINSTALL}" "QuietUninstallString" '"$INSTDIR\uninstall.exe" /S'
  WriteRegDWORD HKCU "${UNINSTALL}" "NoModify" 1
  WriteRegDWORD HKCU "${UNINSTALL}" "NoRepair" 1
  ${GetSize} "$INSTDIR" "/S=0K" $0 $1 $2
  IntFmt $0 "0x%08X" $0
  WriteRegDWORD HKCU "${UNINSTALL}" "EstimatedSize" "$0"
  WriteRegStr HKCU "${APP_PATH}" "" "$INSTDIR\lamplight.exe"
SectionEnd

Section "Start menu" SecMenu
  SetShellVarContext current
  CreateShortcut "$SMPROGRAMS\${TITLE}.lnk" "$INSTDIR\lamplight.exe" "" "$INSTDIR\lamplight.exe" 0 SW_SHOWNORMAL "" "${SUMMARY}"
SectionEnd

Section "Open experiments (.lamplight)" SecFiles
  WriteRegStr HKCU "${CLASSES}\${PROGID}" "" "${TITLE} experiment"
  WriteRegStr HKCU "${CLASSES}\${PROGID}\DefaultIcon" "" "$INSTDIR\lamplight.exe,0"
  WriteRegStr HKCU "${CLASSES}\${PROGID}\shell\open\command" "" '"$INSTDIR\lamplight.exe" window "%1"'
  WriteRegStr HKCU "${CLASSES}\.lamplight" "" "${PROGID}"
  WriteRegStr HKCU "${CLASSES}\.lamplight" "Content Type" "${MIME}"
  ; Other programs keep .toml; this one is offered beside them.
  WriteRegStr HKCU "${CLASSES}\.toml\OpenWithProgids" "${PROGID}" ""
  ${RefreshShellIcons}
SectionEnd

Section "Command lamplight in terminals" SecPath
  InitPluginsDir
  File "/oname=$PLUGINSDIR\path.ps1" "${HERE}${SLASH}path.ps1"
  nsExec::ExecToLog 'powershell.exe -NoProfile -ExecutionPolicy Bypass -File "$PLUGINSDIR\path.ps1" -Folder "$INSTDIR"'
  Pop $0
  SendMessage ${HWND_BROADCAST} ${WM_SETTINGCHANGE} 0 "STR:Environment" /TIMEOUT=2000
SectionEnd

LangString DescProgram ${LANG_ENGLISH} "The program."
LangString DescMenu ${LANG_ENGLISH} "An entry in the Start menu."
LangString DescFiles ${LANG_ENGLISH} "A double click opens them; .toml files offer it under Open with."
LangString DescPath ${LANG_ENGLISH} "Adds the folder to your own PATH."
!insertmacro MUI_FUNCTION_DESCRIPTION_BEGIN
  !insertmacro MUI_DESCRIPTION_TEXT ${SecProgram} $(DescProgram)
  !insertmacro MUI_DESCRIPTION_TEXT ${SecMenu} $(DescMenu)
  !insertmacro MUI_DESCRIPTION_TEXT ${SecFiles} $(DescFiles)
  !insertmacro MUI_DESCRIPTION_TEXT ${SecPath} $(DescPath)
!insertmacro MUI_FUNCTION_DESCRIPTION_END

Section "Uninstall"
  SetShellVarContext current
  !insertmacro EnsureClosed
  InitPluginsDir
  File "/oname=$PLUGINSDIR\path.ps1" "${HERE}${SLASH}path.ps1"
  nsExec::ExecToLog 'powershell.exe -NoProfile -ExecutionPolicy Bypass -File "$PLUGINSDIR\path.ps1" -Folder "$INSTDIR" -Remove'
  Pop $0
  SendMessage ${HWND_BROADCAST} ${WM_SETTINGCHANGE} 0 "STR:Environment" /TIMEOUT=2000

  ; What was installed, by name: whatever else someone put there stays.
  !include "${UNLIST}"
  Delete "$INSTDIR\uninstall.exe"
  RMDir "$INSTDIR"
  Delete "$SMPROGRAMS\${TITLE}.lnk"
  ReadRegStr $0 HKCU "${CLASSES}\.lamplight" ""
  ${If} $0 == "${PROGID}"
    DeleteRegKey HKCU "${CLASSES}\.lamplight"
  ${EndIf}
  DeleteRegValue HKCU "${CLASSES}\.toml\OpenWithProgids" "${PROGID}"
  DeleteRegKey HKCU "${CLASSES}\${PROGID}"
  DeleteRegKey HKCU "${APP_PATH}"
  DeleteRegKey HKCU "${UNINSTALL}"
  ${RefreshShellIcons}
  DetailPrint "Runs, models and settings stay in $APPDATA\lamplight and $LOCALAPPDATA\lamplight."
SectionEnd
