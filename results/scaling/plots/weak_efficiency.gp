# Makes weak_efficiency.svg and weak_efficiency.png from weak_efficiency.csv:  gnuplot weak_efficiency.gp
set datafile separator comma
set logscale x 2
set xrange [0.8:5000]
set yrange [0:1.2]
set xlabel 'ranks (points: measured with spread; dashed: model)'
set ylabel 'weak efficiency'
set grid lc rgb '#e4e4e4' lt 1
set key above left horizontal
set terminal svg size 760,460 background rgb 'white'
set output 'weak_efficiency.svg'
plot 'weak_efficiency.csv' using (strcol(1) eq 'supernet' ? $2 : NaN):3:4:5 with yerrorbars pt 7 lc rgb '#0072b2' title 'supernet', \
     'weak_efficiency.csv' using (strcol(1) eq 'supernet model' ? $2 : NaN):3 with lines dt 2 lc rgb '#0072b2' notitle, \
     'weak_efficiency.csv' using (strcol(1) eq 'collect' ? $2 : NaN):3:4:5 with yerrorbars pt 7 lc rgb '#d55e00' title 'collect', \
     'weak_efficiency.csv' using (strcol(1) eq 'collect model' ? $2 : NaN):3 with lines dt 2 lc rgb '#d55e00' notitle, \
     'weak_efficiency.csv' using (strcol(1) eq 'search' ? $2 : NaN):3:4:5 with yerrorbars pt 7 lc rgb '#009e73' title 'search', \
     'weak_efficiency.csv' using (strcol(1) eq 'search model' ? $2 : NaN):3 with lines dt 2 lc rgb '#009e73' notitle, \
     'weak_efficiency.csv' using (strcol(1) eq 'all' ? $2 : NaN):3:4:5 with yerrorbars pt 7 lc rgb '#8c8c8c' title 'all', \
     'weak_efficiency.csv' using (strcol(1) eq 'all model' ? $2 : NaN):3 with lines dt 2 lc rgb '#8c8c8c' notitle
set terminal pngcairo size 1520,920 fontscale 1.7 linewidth 2 pointscale 2
set output 'weak_efficiency.png'
replot
set output
